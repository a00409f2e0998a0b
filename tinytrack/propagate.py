"""Propagation: carry the labels of the first frame through a video, one pointer step per frame.

Colours, masks and keypoints all go through the one function :func:`propagate`, and each of its steps is ``affinity`` then ``copy``,
computed by ``fast`` or ``coarse``. Memory holds the first frame and the last few, so it does not grow with the video.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .coarse import point_and_copy_finely, shrink
from .fast import point_and_copy
from .gate import Gate
from .io.frames import Size


@dataclass(frozen=True)
class Protocol:
    """How labels are propagated through a video. Four have a name: :data:`PAPER`, :data:`MODERN`, :data:`WINDOWED`, :data:`REFINED`."""

    name: str
    size: Size  # of the frames that the network sees: the shorter side, or (height, width)
    back: tuple[int, ...]  # the references, as numbers of frames back from the target
    keep_first: bool  # whether the first frame, whose labels are true, stays a reference
    grid: tuple[int, int] | None = None  # embeddings are averaged to this grid; None: the network's own grid
    radius: int | None = None  # a target cell points within +-radius cells; None: anywhere
    first_anywhere: bool = False  # the first frame is searched without a window once it is further back than the other references
    top_k: int | None = None  # softmax over the k best logits, jointly over all references; None: over all
    sharpen: float = 1.0  # tracking temperature = sharpen x training temperature: below 1 the softmax gets sharper
    read: str = "argmax"  # how masks are decoded: "argmax", "min_max", "balanced" or "guided", see label_maps.read_masks
    coarse: int = 1  # squares of coarse x coarse cells are searched first, and then the cells of the best, see coarse.py; 1: all cells
    gate: int | None = None  # an object may appear within +-gate cells of where it was one frame before, see gate.Gate; None: anywhere

    def references(self, index: int) -> list[int]:
        """List the frames at which frame ``index`` points, in ascending order; includes the first frame if it is kept."""
        past = {index - k for k in self.back if k <= index}
        return sorted(past | {0} if self.keep_first else past)

    def searches_first(self, index: int) -> bool:
        """Tell whether frame ``index`` searches the whole first frame, without the window."""
        return self.keep_first and self.first_anywhere and index > max(self.back)

    def at_rows(self, rows: int) -> "Protocol":
        """The same protocol for frames ``rows`` pixels high: cells get finer or coarser, window and gate keep their size in the picture."""
        limits = (("radius", self.radius), ("gate", self.gate))
        scaled = {name: max(1, round(cells * rows / self.size)) for name, cells in limits if cells is not None}
        scaled["coarse"] = max(1, rows // self.size) if self.top_k else 1  # a square covers at most one cell of before
        return self if rows == self.size else replace(self, name=f"{self.name}-{rows}", size=rows, **scaled)


# The paper's protocol: 256x256 squashed input, 32x32 grid, the last 3 frames, half the training temperature, no window, no top-k.
PAPER = Protocol("paper", size=(256, 256), back=(1, 2, 3), keep_first=False, grid=(32, 32), sharpen=0.5)

# What later work settled on: native shape, the first and 7 previous frames, a 25x25 window, joint top-10. Two changes are ours: masks
# are decoded with a class prior, and the first frame, whose labels are the only true ones, is searched without a window.
MODERN = Protocol(
    "modern", size=240, back=(1, 2, 3, 4, 5, 6, 7), keep_first=True, radius=12, first_anywhere=True, top_k=10, read="balanced"
)

# Adds two things to "modern": objects stay within a gate, and outlines are fitted to the edges of the picture.
REFINED = replace(MODERN, name="refined", read="guided", gate=8)
FINE = REFINED.at_rows(480)  # for masks in large videos, and keypoints if the network sees colour: tracking takes twice the time
LARGE = 360  # pixels of the shorter side that make a video large
WINDOWED = replace(MODERN, name="windowed", first_anywhere=False)  # the window in the first frame too, as in later work
PROTOCOLS = {"paper": PAPER, "modern": MODERN, "windowed": WINDOWED, "refined": REFINED}


class Memory:
    """A ring buffer for the first frame and the last ``depth`` ones: a new frame overwrites the oldest, and no other is moved.

    If ``coarse`` > 1, ``small`` is another one, for the same frames averaged over squares of ``coarse`` x ``coarse`` cells.
    """

    def __init__(self, depth: int, coarse: int = 1):
        self.depth, self.coarse = depth, coarse
        self.items: Tensor | None = None
        self.small = Memory(depth) if coarse > 1 else None

    def _place(self, index: int) -> int:
        return 0 if index == 0 else 1 + (index - 1) % self.depth

    def __setitem__(self, index: int, item: Tensor) -> None:
        if self.items is None:
            self.items = item.new_empty(self.depth + 1, *item.shape)
        place = self._place(index)
        if torch.is_grad_enabled():  # gradients need the frames as they were
            self.items = torch.cat([self.items[:place], item[None], self.items[place + 1 :]])
        else:
            self.items[place] = item
        if self.small is not None:
            self.small[index] = shrink(item, self.coarse)

    def stack(self, indices: Iterable[int]) -> Tensor:
        """Stack frames: the first of the video comes first, the others in any order."""
        places = sorted(map(self._place, indices))
        return self.items[: len(places)] if places == list(range(len(places))) else self.items[places]


def propagate(
    embeddings: Iterable[Tensor],
    first_labels: Tensor,
    protocol: Protocol = MODERN,
    temperature: float = 1.0,
    gate: Gate | None = None,
) -> Iterator[Tensor]:
    """Propagate the first frame's labels: each frame points at its references (Eq. 2) and copies their labels (Eq. 1).

    Args:
        embeddings: one item per frame: (D, h, w), or for networks that see clips (C, D, h, w), the embeddings of the last C frames
            as seen together. The last of these is the frame's own; the others update the stored embeddings of the frames before it.
        first_labels: (K, h, w) labels of the first frame: colours, class distributions, heat maps.
        protocol: which frames are references, and how the pointer is restricted.
        temperature: of Eq. 2 in training; tracking uses ``protocol.sharpen`` times this.
        gate: tells where the labels of a frame may appear; None: anywhere.

    Yields:
        (K, h, w) per frame; the first is ``first_labels`` itself. Labels stay soft and become references as they are.

    Explained in notebooks/05_track_masks.ipynb.
    """
    depth, coarse = max(protocol.back), protocol.coarse
    past, past_labels = Memory(depth, coarse), Memory(depth)
    for index, clip in enumerate(embeddings):
        clip = clip if clip.dim() == 4 else clip[None]
        clip = clip.movedim(1, -1).contiguous()  # (C, h, w, D), the layout that `fast` computes in: converted once, when the frame arrives
        # a network that sees clips has embedded the last frames again
        for back in range(1, min(len(clip), index + 1, depth + 1)):
            past[index - back] = clip[-1 - back]
        # gather the references, then point and copy
        target, labels = clip[-1], first_labels
        if index > 0:
            references = protocol.references(index)
            f_i, c_i, cells = past.stack(references), past_labels.stack(references), None if gate is None else gate.cells
            rules = (temperature * protocol.sharpen, protocol.radius, protocol.top_k, int(protocol.searches_first(index)))
            if coarse == 1:
                cells = None if cells is None else cells[None]
                labels = point_and_copy(target[None].movedim(-1, 1), f_i[None].movedim(-1, 2), c_i[None], *rules, cells)[0]
            else:
                labels = point_and_copy_finely(target, f_i, c_i, past.small.stack(references), coarse, *rules, cells)
            if gate is not None:
                labels = gate.restrict(labels)
        past[index], past_labels[index] = target, labels
        yield labels
