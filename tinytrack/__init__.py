"""tinytrack: tracking emerges by colorizing videos, small enough to read in an afternoon.

Read the files in this folder first: color, embed, pointer, loss, batches, train, propagate, label_maps, track. They are the paper.
The folders behind them are for use: io, datasets, draw, training, evaluation, interactive, lessons, cli.
"""

__version__ = "0.1.0"
