"""Open every data set in one common form: videos with ground truth."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import ClipError
from ..io.masks import read_mask
from ..io.paths import user_path
from ..io.video import list_images, open_video
from .badja import Badja
from .clips import CLIPS, open_clip
from .davis import SPLITS_2016, Davis
from .davis_download import davis_root
from .synth import moving_shapes


@dataclass(frozen=True)
class Truth:
    """A video with the labels that are given for its first frame and must be predicted for later ones.

    Frames are counted from the first one that is tracked.

    Attributes:
        name: of the sequence.
        frames: function that returns the frames, uint8 RGB (H, W, 3), from the first tracked one to the last.
        masks: frame -> function that returns the object ids, uint8 (H, W), 255 where not scored. Frame 0 is given to the tracker.
        joints: frame -> (J, 2) pixels, NaN where hidden. Frame 0 is given; keypoints that are hidden in it are not scored.
        joint_names: J names.
        scored: the frames whose masks are scored.
    """

    name: str
    frames: Callable[[], Iterable[np.ndarray]]
    masks: dict[int, Callable[[], np.ndarray]] = field(default_factory=dict)
    joints: dict[int, np.ndarray] = field(default_factory=dict)
    joint_names: tuple[str, ...] = ()
    scored: tuple[int, ...] = ()


def davis_truths(davis: Davis, sequences: Iterable[str]) -> Iterator[Truth]:
    """Yield DAVIS sequences. As in the benchmark, the first frame (which is given) and the last one are not scored."""
    for name in sequences:
        count = len(list_images(davis.video(name).path))
        masks = {t: partial(davis.mask, name, t) for t in range(count)}
        yield Truth(name, davis.video(name).frames, masks, scored=tuple(range(1, count - 1)))


def badja_truths(badja: Badja, sequences: Iterable[str]) -> Iterator[Truth]:
    """Yield BADJA sequences. Tracking starts at the first labelled frame."""
    for name in sequences:
        joints = badja.joints(name)
        start = min(joints)
        video = badja.video(name).part(start, None)
        yield Truth(name, video.frames, joints={t - start: xy for t, xy in joints.items()}, joint_names=badja.names)


BODY_25B = tuple(
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist"
    " left_hip right_hip left_knee right_knee left_ankle right_ankle neck head_top"
    " left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel".split()
)


def _cameras(root: str | os.PathLike) -> list[Path]:
    """List the videos of a pose2sim folder, one per camera."""
    videos = sorted(user_path(root).glob("cam*.mp4"))
    if not videos:
        raise ClipError(f"'{root}' is not a pose2sim folder: expected cam01.mp4 and keypoints_cam01.json in it")
    return videos


def pose2sim_truths(root: str | os.PathLike, cameras: Iterable[str], doubtful: float = 0.1) -> Iterator[Truth]:
    """Yield one video per camera of a person on a balance beam: ``camNN.mp4`` with ``keypoints_camNN.json``.

    The keypoints were detected by OpenPose (BODY_25B), so they are only *pseudo* ground truth. Those with a confidence of
    ``doubtful`` or less count as hidden.

    Raises:
        ClipError: if the folder does not have this layout.
    """
    for path in _cameras(root):
        if path.stem not in cameras:
            continue
        labels = path.with_name(f"keypoints_{path.stem}.json")
        try:
            points = np.array(json.loads(labels.read_text(encoding="utf-8"))["frames"], dtype=np.float64)  # (T, J, 3)
            xy, confidence = points[..., :2], points[..., 2]
            if points.ndim != 3 or points.shape[1] != len(BODY_25B):
                raise ValueError("not BODY_25B")
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise ClipError(f"'{labels}' cannot be read: expected JSON with 25 joints (x, y, confidence) for each frame") from error
        xy[confidence <= doubtful] = np.nan
        yield Truth(path.stem, open_video(path).frames, joints=dict(enumerate(xy)), joint_names=BODY_25B)


def clip_truths(names: Iterable[str] = ("carphone",)) -> Iterator[Truth]:
    """Yield named clips, with the masks and keypoints that we drew in some of their frames."""
    for name in names:
        clip = CLIPS[name]
        masks = {t: partial(read_mask, path) for t, path in clip.masks.items()}
        joints = {0: clip.joints().xy} | clip.joint_truth()
        yield Truth(name, open_clip(name).frames, masks, joints, clip.joints().names, tuple(t for t in masks if t))


def synth_truths(names: Iterable[str] = ("seed0",)) -> Iterator[Truth]:
    """Yield synthetic scenes (:func:`tinytrack.datasets.synth.moving_shapes`), with exact ground truth; hidden keypoints are not scored."""
    for name in names:
        scene = moving_shapes(int(name.removeprefix("seed")))
        count = len(scene.frames)
        xy = np.where(scene.visible[..., None], scene.joints, np.nan)
        masks = {t: partial(np.asarray, scene.masks[t]) for t in range(count)}
        yield Truth(name, partial(iter, scene.frames), masks, dict(enumerate(xy)), scene.names, tuple(range(1, count)))


@dataclass(frozen=True)
class Dataset:
    """Sequences to score on. ``facts`` is copied to every results file, so it contains no path and nothing else specific to a machine."""

    facts: dict
    truths: Iterator[Truth]


def open_dataset(
    name: str,
    root: str | os.PathLike = "",
    davis: str | os.PathLike = "",
    year: int = 2016,
    split: str = "val",
    sequences: Sequence[str] | None = None,
) -> Dataset:
    """Open a data set by name: "davis", "badja", "pose2sim", "carphone", "walk", "beam" or "synth".

    Args:
        root: its folder; "davis" is the DAVIS tree downloaded by ``data fetch davis``. Not used for carphone, walk and synth.
        davis: the DAVIS tree with the frames of BADJA.
        year, split: of DAVIS.
        sequences: score only these; default: all that are on this machine (for DAVIS, all of the split with frames and masks).

    Raises:
        ClipError: if the data set is missing, or does not contain one of the sequences.
    """
    # find the sequences that are here, and what to note about them
    facts: dict = {"name": name}
    if name == "davis":
        tree = Davis(davis_root(root), year)
        facts |= {"year": year}
        if sequences:
            here = [s for s in sequences if tree.has(s)]
        else:
            known = tree.sequences(split)
            here = [s for s in known if tree.has(s)]
            facts["split"] = split
            if len(here) < len(known):
                facts["note"] = f"{len(here)} of the {len(known)} sequences of the split are on this machine"
        source = partial(davis_truths, tree)
    elif name == "badja":
        tree = Badja(root, Davis(davis_root(davis)))
        here = tree.sequences()
        seen = [s for s in sequences or here if s in SPLITS_2016["train"]]
        if seen:
            facts["note"] = f"of these, {', '.join(seen)} are DAVIS train sequences: networks trained there saw them, unlabelled"
        source = partial(badja_truths, tree)
    elif name == "pose2sim":
        here = [path.stem for path in _cameras(root)]
        facts["note"] = "pseudo ground truth: detections of OpenPose, not labels by hand"
        source = partial(pose2sim_truths, root)
    elif name in ("carphone", "walk", "beam"):
        here, source = [name], clip_truths
    elif name == "synth":
        here, source = [f"seed{n}" for n in range(5)], synth_truths
    else:
        raise ClipError(f"no data set '{name}': expected davis, badja, pose2sim, carphone, walk, beam or synth")
    # check the requested sequences
    missing = [s for s in sequences or () if s not in here]
    if missing or not here:
        raise ClipError(f"{name} has no sequence {', '.join(missing) or 'at all'} here: expected some of {', '.join(here) or 'its videos'}")
    facts["sequences"] = list(dict.fromkeys(sequences or here))
    return Dataset(facts, source(facts["sequences"]))
