"""Write what was marked and tracked into a folder: videos, masks and joints, which the command line reads."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..draw.pictures import overlay, skeleton
from ..errors import JointsError, MaskError
from ..io.atomic import write_json
from ..io.decode import FrameLog
from ..io.joints import write_joints_csv
from ..io.masks import write_mask
from ..io.prefetch import prefetch
from ..io.results import results_folder
from ..io.video_writer import write_video
from ..label_maps import paint
from ..track import Carried
from .session import Session

EXPORTS = ("overlay.mp4", "masks", "objects.json", "joints.csv", "joints.json", "colorized.mp4")  # what an export may write


def export(session: Session, out: str | os.PathLike, tell: Callable[[int, int], None] = lambda done, total: None) -> list[str]:
    """Write everything that was marked and tracked into ``out``, all or nothing.

    Objects and keypoints give ``overlay.mp4``. Objects also give ``masks/00000.png`` ... (palette PNGs) and ``objects.json`` (their
    names). Keypoints also give ``joints.csv``, and ``joints.json`` with those of frame 0. Colours give ``colorized.mp4``. The command
    line reads these files: ``track VIDEO --mask masks/00000.png``, ``pose VIDEO --joints joints.json`` or ``joints.csv``, and
    either video. If only a part of the video was chosen, only that is exported. Masks and tables then keep the frame numbers of the
    whole video, as those of the command line do, and ``joints.json`` has the keypoints of the part's first frame.

    Args:
        session: the video, its marks and tracks.
        out: the folder; an earlier export is replaced, unless it has changed since, and everything else is kept.
        tell: called with (frames done, frames to do) after each frame; an exception that it raises ends the export.

    Returns:
        The names of the files and folders that were written.

    Raises:
        MaskError: if a frame has neither marks nor a track, or nothing is marked any more.
        JointsError: if keypoints are marked, but not tracked yet.
        VideoError, OutputError: if the video cannot be read, or the folder cannot be written, or if it holds something of these
            names that is not an earlier export; nothing is written in that case.
    """
    _check(session)
    # what there is to export
    part, keys = session.part, session.part_keys
    masks = any(m.ids.any() for m in keys.values())
    pose = any(m.has_joints for m in keys.values())
    colors = "colours" in session.tracked_kinds
    kinds = []
    if masks or pose:
        kinds.append("overlay")
    if colors:
        kinds.append("colorized")
    if not kinds:
        raise MaskError("nothing is marked any more: expected a tracked video to export")
    if pose and len(keys) < len(part) and "joints" not in session.tracked_kinds:
        raise JointsError("the joints are not tracked yet: expected a tracked video to export")
    # the frames of each video; masks and keypoints are collected on the way
    ticks = itertools.count(1)
    rows: list[tuple[np.ndarray, np.ndarray]] = []

    def pictures(kind: str, scratch: Path, log: FrameLog) -> Iterator[np.ndarray]:
        """Draw the frames of ``overlay.mp4`` or ``colorized.mp4``."""
        index = part.start - 1
        for index, frame in enumerate(prefetch(session.video.part(part.start, part.stop).frames(log=log)), start=part.start):
            carried = session.carried(index)
            if kind == "overlay":
                yield _overlay(session, scratch, index, frame, carried, masks, rows if pose else None)
            else:
                yield frame if carried.ab is None else paint(frame, carried.ab)  # the frame that gave the colours keeps its own
            tell(next(ticks), len(kinds) * len(part))
        if index + 1 < part.stop:
            raise session.shorter(index + 1)

    # the files
    names = [f"{kind}.mp4" for kind in kinds] + ["masks", "objects.json"] * masks + ["joints.csv", "joints.json"] * pose
    with results_folder(out, "studio", names, [session.video.path]) as scratch:
        for kind in kinds:
            log = FrameLog()
            write_video(scratch / f"{kind}.mp4", pictures(kind, scratch, log), session.video.fps, like=session.video, log=log)
        if masks:
            content = {
                "objects": {str(n): session.objects[n - 1] for n in session.numbers},
                "marked_frames": list(keys),
            }
            write_json(scratch / "objects.json", content)
        if pose:
            times, pictures = session.log.times[part.start : part.stop], session.video.names
            pictures = None if pictures is None else pictures[part.start : part.stop]
            write_joints_csv(scratch / "joints.csv", session.joints.names, rows, times, pictures, part.start)
            _write_first_joints(session, scratch / "joints.json", rows[0][0])
        return sorted(item.name for item in scratch.iterdir())


def _check(session: Session) -> None:
    """Make sure that every frame of the chosen part was marked, or tracked from the marks as they are now."""
    part, key_frames, tracked = session.part, session.key_frames, session.tracked
    missing = [t for t in part if t not in key_frames and t not in tracked and t != session.reference]
    if missing:
        raise MaskError(
            f"{len(missing)} of {len(part)} frames are not tracked yet, the first is frame {missing[0]}: expected a tracked video to export"
        )
    stale = session.stale
    if stale:
        raise MaskError(
            f"{len(stale)} of {len(part)} frames were tracked from marks that have changed since, the first is frame {min(stale)}:"
            " press Track first, or undo the change"
        )


def _overlay(
    session: Session, scratch: Path, index: int, frame: np.ndarray, carried: Carried, masks: bool, rows: list | None
) -> np.ndarray:
    """Draw one frame of ``overlay.mp4``; its masks are also written to ``masks/``, and its keypoints appended to ``rows``."""
    if masks:
        ids = np.zeros(session.size, np.uint8) if carried.ids is None else carried.ids
        (scratch / "masks").mkdir(exist_ok=True)
        name = f"{index:05d}" if session.video.names is None else session.video.names[index]
        write_mask(scratch / "masks" / f"{name}.png", ids)
        frame = overlay(frame, ids)
    if rows is None:
        return frame
    lost = np.full((len(session.joints.names), 2), np.nan)
    xy = lost if carried.xy is None else carried.xy
    rows.append((xy, np.zeros(len(xy)) if carried.confidence is None else carried.confidence))
    return skeleton(frame, xy, session.joints.edges)


def _write_first_joints(session: Session, path: Path, xy: np.ndarray) -> None:
    """Write the keypoints of the first frame in the format of the command ``pose``; no file if there are none."""
    names = session.joints.names
    known = {name: [round(float(v), 2) for v in place] for name, place in zip(names, xy, strict=True) if np.isfinite(place).all()}
    lines = [[names[a], names[b]] for a, b in session.joints.edges if names[a] in known and names[b] in known]
    if known:
        write_json(path, {"joints": known, "edges": lines})
