"""Data sets: sample clips, DAVIS, BADJA, pose2sim, folders of videos, synthetic scenes.

To add one with ground truth, write a generator of :class:`~tinytrack.datasets.truth.Truth` in ``truth.py`` and name it in
``open_dataset`` there. Then add it to ``DATASETS`` in ``cli/parser.py`` and, if it is in a folder, give it a ``root`` in
``_add_evaluate``. If it belongs in the report, add it to ``make.PLAN``, ``make.find_data``, ``results.NAMES`` and ``tables.COMMANDS`` in
``evaluation/report``. To only train on videos, see ``folders.py``.
"""
