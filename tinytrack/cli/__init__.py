"""The command line: its arguments, and what each command does.

To add a command, add its arguments to ``cli/parser.py`` and a function to ``COMMANDS`` in ``cli/commands.py``. An option of ``train``
goes into ``_add_train`` of ``cli/parser.py`` and becomes a field of ``TrainOptions`` in ``cli/train.py`` (not ``tinytrack/train.py``). If
it changes the recipe, it is also a field of ``recipe.TrainConfig`` and is named in ``CHANGES``. Otherwise pass it on in ``_train`` or
``_choose_device``, and add it to ``command_line`` if it changes the weights.
"""
