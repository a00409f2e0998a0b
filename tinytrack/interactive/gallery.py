"""All demos on one page, each built when its tab is opened: this is what ``python -m tinytrack studio`` shows."""

import html
from collections.abc import Callable
from dataclasses import replace

import ipywidgets
import numpy as np

from ..datasets.clips import CLIPS, open_clip
from ..errors import TinytrackError
from ..evaluation.baselines import identity
from ..evaluation.metrics import mean_j
from ..io.masks import read_mask
from ..model import best_device, load_model
from ..propagate import MODERN
from ..recipe import TINY
from ..track import carry
from ..training.sources import load_shots
from .background import aside, start
from .emergence import emergence
from .layout import Demo
from .palette_explorer import palette_explorer
from .player import player
from .pointer_explorer import pointer_explorer
from .studio import studio

STEPS = 300  # training steps of the demo "training"


class Gallery(Demo):
    """See :func:`gallery`."""

    def __init__(self, clip: str | None, device: str):
        self.clip, self.device = clip, device
        self.demos: dict[int, Demo] = {}  # those built so far, by the number of their tab
        # name of a tab -> (load its data, build its demo)
        self.loads: dict[str, tuple[Callable, Callable]] = {
            "palette": (self.frames, palette_explorer),
            "pointer": (self.truth, lambda parts: pointer_explorer(parts[0], 20, (0, 10), *parts[1:], device=device)),
            "training": (self.shots, lambda parts: emergence(*parts, config=replace(TINY, steps=STEPS), device=device)),
            "player": (self.tracks, lambda parts: player(*parts)),
        }
        # The studio is built right away, because a page that is still being rendered misses later changes to its widgets.
        try:
            self.demos[0] = studio(clip, device)
        except TinytrackError as error:
            self.demos[0] = studio(device=device)
            self.demos[0].complain(error)
        self.boxes = [self.demos[0], *(ipywidgets.VBox([ipywidgets.HTML("preparing ...")]) for _ in self.loads)]
        self.tabs = ipywidgets.Tab(self.boxes, titles=("your video", *self.loads))
        super().__init__([ipywidgets.HTML("<b>tinytrack</b>: tracking emerges by colorizing videos"), self.tabs])
        self.tabs.observe(lambda change: self.open_tab(change["new"]), "selected_index")

    def open_tab(self, n: int | None) -> None:
        """Build the demo of tab ``n`` when it is opened for the first time."""
        if n is not None and n not in self.demos:
            start(self.fill(n))

    async def fill(self, n: int) -> None:
        """Load the data of tab ``n`` in a thread, then build its demo; an error is shown in the tab."""
        load, make = list(self.loads.values())[n - 1]
        try:
            parts = await aside(load)
            if n not in self.demos:
                self.demos[n] = make(parts)
                self.boxes[n].children = [self.demos[n]]
        except TinytrackError as error:  # for example a sample clip that is missing
            self.boxes[n].children = [ipywidgets.HTML(html.escape(str(error)))]

    def frames(self) -> np.ndarray:
        """Read the clip carphone."""
        return open_clip("carphone").read()

    def truth(self) -> tuple:
        """Read carphone with its true masks and the names of its objects."""
        clip = CLIPS["carphone"]
        return self.frames(), {t: read_mask(path) for t, path in clip.masks.items()}, clip.objects

    def shots(self) -> tuple:
        """Load shots to train on, and a part of carphone with its true masks to track in."""
        frames, truth, _ = self.truth()
        return load_shots([open_clip("bikes")], TINY), frames[:61], truth[0], {t: ids for t, ids in truth.items() if t <= 60}

    def tracks(self) -> tuple:
        """Track carphone with tiny-gray and with the identity baseline, and score both."""
        frames, truth, _ = self.truth()
        objects = np.unique(truth[0][truth[0] > 0])
        model = load_model("tiny-gray", self.device)
        tracks = {
            "tiny-gray": list(carry(frames, truth[0], colors=frames[0], model=model, protocol=replace(MODERN, size=frames.shape[1]))),
            "identity": list(identity(frames, truth[0])),
        }
        scores = {name: {t: mean_j(track[t].ids, ids, objects) for t, ids in truth.items() if t} for name, track in tracks.items()}
        return frames, tracks, scores


def gallery(clip: str | None = None, device: str | None = None) -> Demo:
    """Build a page with the studio and the demos of the notebooks, each in its own tab.

    Args:
        clip: a clip's name or a path, which the studio opens at once; if it cannot be read, the studio says so.
        device: default: a GPU if there is one.
    """
    return Gallery(clip, device or best_device())
