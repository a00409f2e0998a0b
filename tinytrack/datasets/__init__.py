"""Data sets: sample clips, DAVIS, BADJA, pose2sim, folders of videos, synthetic scenes.

To add one with ground truth, write a generator of :class:`~tinytrack.datasets.truth.Truth` in ``truth.py`` and name it in
``open_dataset`` there; then add its name to ``cli/parser.py``, and to ``evaluation/report`` (``make.PLAN``, ``results.NAMES``,
``tables.COMMANDS``) if it belongs into the report. To only train on videos, see ``folders.py``.
"""
