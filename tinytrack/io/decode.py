"""Decode video files frame by frame: upright, each frame with its time, damage bridged and reported."""

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import VideoError
from .container import frame_rate, main_stream, open_container, packets
from .frames import Size, fit_size
from .pictures import upright as turn
from .stacks import FOLDER_FPS

MOST_IN_A_ROW = 5  # frames in a row that may be damaged before a video counts as broken off
MOST_DAMAGED = 0.05  # share of all frames that may be damaged


@dataclass
class FrameLog:
    """What one pass over a video finds, collected while its frames are read.

    Attributes:
        times: of the frames that were read, in seconds from the file's first frame.
        origin: the time of the first frame on the file's own clock, in seconds.
        repeated: numbers of the frames that could not be decoded; the frame before is shown instead.
        guessed: numbers of the frames of which the decoder had to guess a part.
        left_out: how many frames before the first one could not be decoded.
        lacking: how many frames fewer than the header says there are, where the header is exact.
    """

    times: list[float] = field(default_factory=list)
    origin: float = 0.0
    repeated: list[int] = field(default_factory=list)
    guessed: list[int] = field(default_factory=list)
    left_out: int = 0
    lacking: int = 0

    def problems(self) -> list[str]:
        """Return one sentence per kind of damage."""
        kinds = (
            (self.repeated, "cannot be decoded, so the one before is repeated"),
            (self.guessed, "are damaged, and the decoder had to guess a part of the picture"),
        )
        found = [f"{len(numbers)} frame(s) {what}: {_list(numbers)}" for numbers, what in kinds if numbers]
        if self.left_out:
            found.append(f"{self.left_out} frame(s) at the start cannot be decoded and are left out")
        if self.lacking:
            found.append(f"the file has {self.lacking} frame(s) fewer than its header says")
        return found


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (" ..." if len(numbers) > 5 else "")


def decode(container, path: Path, log: FrameLog | None = None) -> Iterator[tuple]:
    """Decode a container: yields PyAV's frames with their times in seconds from the first.

    Interlaced frames are deinterlaced. A frame that cannot be decoded is replaced by the one before it.

    Raises:
        VideoError: where the stream breaks off: demuxing fails, or more than a few frames cannot be decoded.
    """
    log = FrameLog() if log is None else log
    frames = decoded(container, path, log)
    first = next(frames, None)
    if first is None:
        return
    frames = itertools.chain([first], frames)
    if first[0].interlaced_frame:
        frames = _deinterlaced(frames, path)
    clock = _Clock(frame_rate(main_stream(container)))
    for frame, time in frames:
        seconds = clock.seconds(time)
        log.origin = clock.origin
        yield frame, seconds


def decoded(container, path: Path, log: FrameLog, threads: bool = True) -> Iterator[tuple]:
    """Decode the video stream: yields frames with their times on the file's clock, None if unknown.

    A damaged frame is replaced by the one before it.
    """
    stream = main_stream(container)
    stream.thread_type = "AUTO" if threads else "NONE"
    end = _End(container, stream)
    count, missing, last, before = 0, 0, None, None
    for packet in packets(container, path):
        end.see(packet)
        if packet.stream is not stream:
            continue
        frames, errors = _decode_packet(packet)
        missing += errors
        if missing > MOST_IN_A_ROW:
            raise VideoError(f"'{path}' breaks off after {count} frames: it is damaged or cut short")
        for frame in frames:
            time = None if frame.pts is None else float(frame.pts * frame.time_base)
            # fill the gap that damaged frames have left; before the first frame there is nothing to fill it with
            if last is None:
                log.left_out += missing
                missing = 0
            for n in range(missing):
                log.repeated.append(count)
                count += 1
                yield last, None if time is None or before is None else before + (time - before) * (n + 1) / (missing + 1)
            missing = 0
            # the frame itself
            if frame.is_corrupt:
                log.guessed.append(count)
            count += 1
            last, before = frame, time
            yield frame, time
    if missing or len(log.repeated) > max(1, MOST_DAMAGED * count):
        what = f"breaks off after {count} frames" if missing else f"has {len(log.repeated)} frames that cannot be decoded"
        raise VideoError(f"'{path}' {what}: it is damaged or cut short")
    end.check(path, count)
    if container.format.name == "avi":
        log.lacking = max(0, stream.frames - count - log.left_out)


def _decode_packet(packet) -> tuple[list, int]:
    """Decode one packet: its frames, and the number of errors."""
    import av

    frames, errors = [], 0
    # The packet that ends a stream is tried again after an error, because more frames may be waiting behind a damaged one.
    for _ in range(MOST_IN_A_ROW if packet.size == 0 else 1):
        try:
            return frames + packet.decode(), errors
        except av.error.EOFError:
            break
        except (av.FFmpegError, OSError, ValueError):
            errors += 1
    return frames, errors


def _deinterlaced(frames: Iterator[tuple], path: Path) -> Iterator[tuple]:
    """Deinterlace frames with FFmpeg's filter bwdif, one frame out for each frame in."""
    import av

    graph, times = None, deque()
    for frame, time in itertools.chain(frames, [(None, None)]):
        times.append(time)
        ready = []
        try:
            graph = graph or _filter_graph(frame, "bwdif", "mode=send_frame:deint=interlaced")
            graph.push(frame)
            with contextlib.suppress(av.error.BlockingIOError, av.error.EOFError):  # no more frames until the next is pushed
                while True:
                    ready.append(graph.pull())
        except (av.FFmpegError, OSError, ValueError) as error:
            raise VideoError(f"'{path}' cannot be deinterlaced: its frames change their size or format") from error
        for done in ready:
            yield done, times.popleft()


def _filter_graph(frame, name: str, options: str):
    """Make a graph with one of FFmpeg's filters, for frames like this one."""
    import av

    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 1000))
    chosen, sink = graph.add(name, options), graph.add("buffersink")
    source.link_to(chosen)
    chosen.link_to(sink)
    graph.configure()
    return graph


def file_frames(
    path: Path, start: int, stop: int | None, size: Size, log: FrameLog | None = None
) -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
    """Yield the time and one function per frame from ``start`` to before ``stop``; calling it converts that frame.

    Skipped frames cost little, because they are decoded but not converted.

    Raises:
        VideoError: if the file is damaged, or ends before its header says so.
    """
    with open_container(path) as container:
        for count, (frame, seconds) in enumerate(decode(container, path, log)):
            if stop is not None and count >= stop:
                return
            if count >= start:
                yield seconds, lambda frame=frame: upright(frame, size)


# ---- time


class _Clock:
    """Time of frames, from their timestamps: never backwards, even where recordings were joined and the timestamps start again."""

    def __init__(self, rate: float):
        self.step = 1 / rate if rate > 0 else 1 / FOLDER_FPS
        self.origin: float | None = None
        self.shift = 0.0
        self.last = None

    def seconds(self, here: float | None) -> float:
        """Turn the time of the next frame on the file's clock (None if unknown) into seconds from the first."""
        if here is None:
            time = 0.0 if self.last is None else self.last + self.step
            self.origin = self.origin or 0.0
        else:
            if self.origin is None:
                self.origin = here
            time = here - self.origin + self.shift
        if self.last is not None and time <= self.last:
            self.shift += self.last + self.step - time
            time = self.last + self.step
        self.last = time
        return time


class _End:
    """Evidence of a cut: the header says how long the video stream or the file is, and the packets end much earlier.

    Counting frames would be no evidence, because the number of frames in a header is often a guess from the rate.
    """

    def __init__(self, container, stream):
        self.stream = stream
        self.step = 1 / frame_rate(stream)
        self.pictures = self.any = None  # where the packets end, in seconds on the file's clock
        start = (stream.start_time or 0) * stream.time_base
        if container.format.name == "avi" and stream.frames:  # FFmpeg derives other lengths from the size of the file
            self.length = stream.frames * self.step
            self.promised, self.of_pictures = float(start) + self.length, True
        elif stream.duration:
            self.length = float(stream.duration * stream.time_base)
            self.promised, self.of_pictures = float(start) + self.length, True
        elif container.duration:
            self.length = container.duration / 1e6
            self.promised, self.of_pictures = (container.start_time or 0) / 1e6 + self.length, False
        else:
            self.promised = None

    def see(self, packet) -> None:
        """Note where a packet ends."""
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:
            return
        end = float((time + (packet.duration or 0)) * packet.time_base)
        self.any = end if self.any is None else max(self.any, end)
        if packet.stream is self.stream:
            self.pictures = end if self.pictures is None else max(self.pictures, end)

    def check(self, path: Path, count: int) -> None:
        """Raise VideoError if the packets ended much earlier than promised."""
        if self.promised is None:
            return
        reached = self.pictures if self.of_pictures else self.any
        if reached is not None and reached < self.promised - 0.05 * self.length - 2 * self.step:
            missing = self.promised - reached
            raise VideoError(f"'{path}' breaks off after {count} frames, {missing:.1f} s before its end: it is damaged or cut short")


# ---- upright


def orientation(frame) -> int:
    """Return how a decoded frame must be turned and mirrored, as an EXIF orientation (1 to 8), from the file's display matrix."""
    from av.sidedata.sidedata import Type

    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return 1
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).astype(np.float64)
    if abs(a) + abs(d) >= abs(b) + abs(c):  # the axes stay
        return {(False, False): 1, (True, False): 2, (True, True): 3, (False, True): 4}[(a < 0, d < 0)]
    return {(False, False): 5, (False, True): 6, (True, True): 7, (True, False): 8}[(b < 0, c < 0)]


def upright(frame, size: Size) -> np.ndarray:
    """Convert a decoded frame to uint8 RGB (H, W, 3): scaled by FFmpeg, then turned and mirrored as the file's display matrix says.

    Raises:
        VideoError: if FFmpeg cannot convert it.
    """
    import av

    way = orientation(frame)
    h, w = (frame.width, frame.height) if way >= 5 else (frame.height, frame.width)
    h, w = fit_size(h, w, size)
    try:
        picture = frame.to_ndarray(format="rgb24", width=h if way >= 5 else w, height=w if way >= 5 else h)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"a frame of {frame.width}x{frame.height} pixels in the format {frame.format.name} cannot be converted") from error
    return picture if way == 1 else turn(picture, way)
