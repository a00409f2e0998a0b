"""What a video file says about itself: size, rate, pixel aspect, colours, and what a user should know."""

import itertools
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import VideoError
from .container import frame_rate, main_stream, open_container, packets
from .decode import FrameLog, decoded, orientation
from .stacks import FOLDER_FPS

FASTEST = 200  # frames per second; a higher rate in a header is often a guess, and is measured
HDR = {16: "PQ", 18: "HLG"}  # transfer functions, numbered as in ISO/IEC 23091-2
UNSPECIFIED, BT709 = 2, 1


@dataclass(frozen=True)
class Header:
    """What a video says about itself, and its first frame.

    Attributes:
        height, width: of an upright frame in pixels.
        fps: frames per second, on average.
        time_base: seconds per tick of the file's clock.
        aspect: width of a pixel divided by its height.
        primaries: of the colours, numbered as in ISO/IEC 23091-2.
        notes: sentences that a user should read.
    """

    height: int
    width: int
    fps: float = FOLDER_FPS
    time_base: Fraction = Fraction(1, int(FOLDER_FPS))
    aspect: Fraction = Fraction(1)
    primaries: int = BT709
    notes: tuple[str, ...] = ()


def read_header(path: Path) -> Header:
    """Read the header and the first frame of a video file.

    Raises:
        VideoError: if there is no frame that can be decoded.
    """
    with open_container(path) as container:
        stream = main_stream(container)
        # the first frame, which knows more than the header does
        frame, _ = next(decoded(container, path, FrameLog(), threads=False), (None, 0))
        if frame is None:
            raise VideoError(f"'{path}' holds no frame that can be decoded: expected a video")
        turned = orientation(frame) >= 5
        h, w = (frame.width, frame.height) if turned else (frame.height, frame.width)
        aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)
        aspect = aspect if 0.02 < aspect < 50 else Fraction(1)  # what nobody would call a picture is a damaged header
        # the rate: measured if the header's may be a guess
        rate = frame_rate(stream)
        if not stream.frames and rate > FASTEST:
            rate = _measured_rate(path)
        # what the user should know
        notes, transfer, primaries = [], int(stream.codec_context.color_trc), int(stream.codec_context.color_primaries)
        if transfer in HDR:
            notes.append(f"'{path}' is HDR ({HDR[transfer]}) and is read without tone mapping: its colours look dull")
        if frame.interlaced_frame:
            notes.append(f"'{path}' is interlaced and is deinterlaced while it is read")
        known = primaries != UNSPECIFIED and transfer not in HDR
        return Header(h, w, rate, stream.time_base, 1 / aspect if turned else aspect, primaries if known else BT709, tuple(notes))


def _measured_rate(path: Path) -> float:
    """Measure the frame rate from the times of the first frames: the header of a file with variable rate may only have a guess."""
    with open_container(path) as container:
        stream = main_stream(container)
        first = itertools.islice(packets(container, path), 200)
        times = sorted(float(p.pts * stream.time_base) for p in first if p.pts is not None and p.stream is stream)
        steps = np.diff(times)
        return float(1 / np.median(steps[steps > 0])) if (steps > 0).any() else frame_rate(stream)
