"""tinytrack: a small reproduction of "Tracking Emerges by Colorizing Videos" (Vondrick et al., ECCV 2018).

The files in this folder are the paper. In reading order:

    color        RGB, Lab and the palette of colour classes
    embed        the networks that turn gray frames into embeddings
    pointer      Eq. 2 (point) and Eq. 1 (copy)
    loss         Eq. 3
    recipe       everything that decides a training run
    batches      training clips
    train        the training step
    propagate    the loop over frames, and the protocols
    label_maps   masks, keypoints and colours to maps on the grid, and back
    track        a video in, labels of every frame out
    model        the weights file
    fast         the pointer again, fast: skip it at first reading

The folders behind them are for use: io, datasets, draw, training, evaluation, lessons, interactive, cli.
"""

__version__ = "0.1.0"
