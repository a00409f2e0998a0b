"""The command ``figures``: the figures of a notebook, for a teacher's own slides."""

from argparse import Namespace
from pathlib import Path


def figures(args: Namespace) -> None:
    from ..course.figures import LIST, export_figures

    print("running the notebook, which takes about as long as in JupyterLab: a minute for 00")
    exports = export_figures(args.out, args.notebook)
    print(f"saved {len(exports)} figures, listed with captions and credits in {Path(args.out) / LIST}")
