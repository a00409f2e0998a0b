"""Write frames as an H.264 video that every browser and notebook can play."""

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from ..errors import OutputError
from .atomic import staged_file
from .decode import FrameLog
from .header import BT709, Header
from .paths import av_name
from .sound import open_sound
from .video import Video

SLOW = 0.1  # frames per second of a time lapse
FINE = 30000  # ticks per second, which also divide the rates of television
STUDIO_RANGE = 1  # in FFmpeg's numbering of colour ranges: luma from 16 to 235


def write_video(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray],
    fps: float = 25.0,
    quality: int = 18,
    like: Video | None = None,
    log: FrameLog | None = None,
) -> int:
    """Write frames as H.264 in yuv420p with the index in front, which plays in every browser and notebook.

    The colours are tagged, as BT.709 in studio range.

    Args:
        path: the file, ending in .mp4 (or .mov, .mkv).
        frames: uint8 RGB (H, W, 3), all of one size; may be a generator. An odd height or width, which 4:2:0 colour cannot
            store, is padded by repeating one row or column.
        fps: frames per second; with ``like`` and ``log``, the frames have the times of that video instead.
        quality: x264's constant rate factor; 18 looks lossless, larger is smaller.
        like: the video that the frames were made from; the new one gets its pixel aspect, primaries and sound.
        log: of the pass over ``like`` that the frames were made in, one entry per frame; it may still grow while frames are written.

    Returns:
        The number of frames written.

    Raises:
        TypeError: if a frame is not uint8; floats in [0, 1], for example, would be written as black.
        ValueError: if there are no frames, or a frame has another shape than the first.
        OutputError: if the file cannot be written; nothing is left behind in that case.
    """
    import av

    with staged_file(path) as scratch, open_sound(None if like is None else like.path) as sound:
        try:
            return _encode(scratch, path, _checked(frames, path), fps, quality, like, log, sound)
        except av.FFmpegError as error:
            if isinstance(error, OSError):  # such as a full disk, which `staged_file` explains
                raise
            raise OutputError(f"cannot write '{path}' as a video: the encoder refuses the frames ({error.strerror})") from error


def _checked(frames: Iterable[np.ndarray], path: str | os.PathLike) -> Iterator[np.ndarray]:
    """Yield frames with even sides, after checking each."""
    shape, count = None, 0
    for count, frame in enumerate(frames, start=1):
        frame = np.asarray(frame)
        if frame.dtype != np.uint8:
            raise TypeError(f"frames must be uint8 in 0..255, got {frame.dtype}: convert with (255 * x).round().astype('uint8')")
        if frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"frames must be RGB (H, W, 3), got shape {frame.shape}")
        shape = shape or frame.shape
        if frame.shape != shape:
            raise ValueError(f"frame {count - 1} is {frame.shape[:2]}: expected {shape[:2]} like the first frame")
        if shape[0] % 2 or shape[1] % 2:
            frame = np.pad(frame, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
        yield np.ascontiguousarray(frame)
    if not count:
        raise ValueError(f"no frames to write to '{path}'")


def _encode(scratch, path, frames: Iterator[np.ndarray], fps: float, quality: int, like: Video | None, log: FrameLog | None, sound) -> int:
    """Encode and mux frames, and the sound packets that belong beside them; returns the number of frames."""
    import av

    first = next(frames)
    header = Header(*first.shape[:2]) if like is None else like.header
    rate = Fraction(fps).limit_denominator(1001) or Fraction(1, 1001)  # a frame every hour is still more than none
    times = None if log is None else log.times
    base = 1 / rate if times is None or like.names is not None else header.time_base
    # mp4 counts the ticks between frames in 32 bits, and players allow fewer: pauses of an hour need a coarse clock
    if rate < SLOW:
        base = Fraction(1, 100)
    elif base.denominator > FINE:
        base = max(base, Fraction(1, FINE))
    # open the file; the index in front lets a browser start playing before it has loaded the whole file
    options = {"movflags": "+faststart", "video_track_timescale": str(base.denominator)}
    options = options if scratch.suffix.lower() in {".mp4", ".mov"} else {}
    try:
        container = av.open(av_name(scratch), "w", options=options)
        stream = container.add_stream("libx264", rate=rate)
    except ValueError as error:  # the ending is unknown to PyAV, or does not allow H.264
        raise OutputError(f"cannot write '{path}' as a video: expected a name that ends in .mp4") from error
    count = 0
    with contextlib.closing(container):
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(quality), "preset": "veryfast"}
        context = stream.codec_context
        context.time_base = base
        context.sample_aspect_ratio = header.aspect
        context.colorspace = context.color_trc = BT709
        context.color_primaries, context.color_range = header.primaries, STUDIO_RANGE
        noise = None
        if sound is not None:
            noise = _Interleaved(container, sound, sound.add_to(container), log.origin + times[0] if times else 0.0)
        lengths = {}  # in ticks, of the frames that the encoder holds back

        def mux(packets) -> None:
            for packet in packets:
                packet.duration = lengths.pop(packet.pts, packet.duration)
                container.mux(packet)

        # encode each frame at its time, and the sound up to there
        tick, time, before, shown = -1, 0.0, 0.0, 0.0
        for count, frame in enumerate(itertools.chain([first], frames), start=1):
            time = (count - 1) / float(rate) if times is None else times[count - 1] - times[0]
            tick = max(tick + 1, round(time / base))
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709")
            picture.pts, picture.time_base = tick, base
            # a last frame that is said to be shown for next to nothing is shown as long as the one before
            usual = min(1 / float(rate), time - before) if count > 1 else 1 / float(rate)
            shown = max(usual, log.durations[count - 1] if log is not None else 0.0)
            before = time
            lengths[tick] = max(1, round(shown / base))
            mux(stream.encode(picture))
            if noise is not None:
                noise.write_until(time)
        mux(stream.encode())  # the frames that the encoder still holds back
        if noise is not None:
            noise.write_until(time + shown)
    return count


class _Interleaved:
    """Write sound packets into a container, always up to the time of the pictures."""

    def __init__(self, container, sound, out, origin: float):
        self.container = container
        self.packets = sound.packets(out, origin)
        self.next = next(self.packets, None)

    def write_until(self, seconds: float) -> None:
        """Write the packets that begin before this time."""
        while self.next is not None and self.next[0] < seconds:
            self.container.mux(self.next[1])
            self.next = next(self.packets, None)
