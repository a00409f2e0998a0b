"""The interactive parts, used in a browser: the demos of the notebooks, and the studio for your own video.

To add a demo, write one file like ``palette_explorer.py``: a :class:`~tinytrack.interactive.layout.Demo` and a function that makes it.
Pictures come from plain functions in ``demo_pictures.py``. ``gallery.py`` puts it on the page of ``python -m tinytrack studio``.
"""
