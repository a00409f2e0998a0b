"""The command line: its arguments, and what each command does.

To add a command, add its arguments to ``parser.py`` and a function to ``commands.COMMANDS``. An option of ``train`` also needs a field
of ``train.TrainOptions``; one that changes the recipe is named in ``train.CHANGES``, others are passed on in ``train._train``.
"""
