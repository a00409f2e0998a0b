"""The interactive parts, used in a browser: the demos of the notebooks, and the studio for your own video.

To add a demo, write one file like ``palette_explorer.py``: a :class:`~tinytrack.interactive.layout.Demo`, and a function that makes it
and sets its ``still``, the figure shown where no kernel runs. Pictures come from plain functions in ``demo_pictures.py``. To give it a
tab on the page of ``python -m tinytrack studio``, add it to ``Gallery.loads`` in ``gallery.py``.
"""
