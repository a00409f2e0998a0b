"""Decode video files frame by frame: upright, each frame with its time, damage bridged and reported."""

import contextlib
import heapq
import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import VideoError
from .container import frame_rate, main_stream, open_container, packets
from .frames import Size, fit_size
from .pictures import upright as turn
from .stacks import FOLDER_FPS

MOST_IN_A_ROW = 5  # frames in a row that may be damaged before a video counts as broken off
MOST_DAMAGED = 0.05  # share of all frames that may be damaged
MOST_LOST = 3  # frames that one damaged packet can make a decoder lose, because others are predicted from it
ONE_FRAME_PER_PACKET = ("avi", "mov", "matroska")  # kinds of files in which each packet holds one frame ...
HIDES_FRAMES = {"vp8"}  # ... unless the codec has packets that show nothing
END_MARKS = {"apng": b"IEND"}  # bytes that end a file of this kind


@dataclass
class FrameLog:
    """What one pass over a video finds, collected while its frames are read.

    Attributes:
        times: of the frames that were read, in seconds from the file's first frame.
        origin: the time of the first frame on the file's own clock, in seconds.
        repeated: numbers of the frames that could not be decoded; the frame before is shown instead.
        guessed: numbers of the frames of which the decoder had to guess a part.
        durations: how long each of the frames that were read is shown, in seconds; 0 if unknown.
        left_out: how many frames before the first one could not be decoded.
        lost: how many frames more than were decoded the file holds.
        early: by how many seconds the video ends before its header says.
        interlaced_from: number of the first interlaced frame of a video that begins without.
    """

    times: list[float] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)
    origin: float = 0.0
    repeated: list[int] = field(default_factory=list)
    guessed: list[int] = field(default_factory=list)
    left_out: int = 0
    lost: int = 0
    early: float = 0.0
    interlaced_from: int | None = None

    def problems(self) -> list[str]:
        """Return one sentence per kind of damage."""
        kinds = (
            (self.repeated, "cannot be decoded, so the one before is repeated"),
            (self.guessed, "are damaged, and the decoder had to guess a part of the picture"),
        )
        found = [f"{len(numbers)} frame(s) {what}: {_list(numbers)}" for numbers, what in kinds if numbers]
        if self.left_out:
            found.append(f"{self.left_out} frame(s) at the start cannot be decoded and are left out")
        if self.lost:
            found.append(f"{self.lost} frame(s) of the file were lost, because its data is damaged")
        if self.early:
            found.append(f"the video ends {self.early:.1f} s before its header says")
        if self.interlaced_from is not None:
            found.append(f"the video is interlaced from frame {self.interlaced_from} on, and is deinterlaced from there")
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
    clock = Clock(frame_rate(main_stream(container)))
    for frame, time in _progressive(decoded(container, path, log), path, log):
        seconds = clock.seconds(time)
        log.origin = clock.origin
        yield frame, seconds


def _progressive(frames: Iterator[tuple], path: Path, log: FrameLog) -> Iterator[tuple]:
    """Yield frames as they are up to the first interlaced one, and deinterlaced from there on."""
    for count, (frame, time) in enumerate(frames):
        if frame.interlaced_frame:
            log.interlaced_from = count or None  # a video that begins interlaced says so in its header
            yield from _deinterlaced(itertools.chain([(frame, time)], frames), path)
            return
        yield frame, time


def decoded(container, path: Path, log: FrameLog, threads: bool = True) -> Iterator[tuple]:
    """Decode the video stream: yields frames with their times on the file's clock, None if unknown.

    A damaged frame is replaced by the one before it.
    """
    stream = main_stream(container)
    stream.thread_type = "AUTO" if threads else "NONE"
    end, clock = _End(container, stream, path), _FrameTimes(container)
    count, missing, last, before = 0, 0, None, None
    for packet in packets(container, path):
        end.see(packet)
        if packet.stream is not stream:
            continue
        clock.see(packet)
        frames, errors = _decode_packet(packet)
        missing += errors
        if missing > MOST_IN_A_ROW:
            raise VideoError(f"'{path}' breaks off after {count} frames: it is damaged or cut short")
        for frame in frames:
            # fill the gap that damaged frames have left; before the first frame there is nothing to fill it with
            for _ in range(missing if last is None else 0):
                log.left_out += 1
                clock.time(None)
            gap = [clock.time(None) for _ in range(missing if last is not None else 0)]
            time = clock.time(frame)
            for n, then in enumerate(gap):
                log.repeated.append(count)
                count += 1
                between = None if time is None or before is None else before + (time - before) * (n + 1) / (missing + 1)
                yield last, between if then is None else then
            missing = 0
            # the frame itself
            if frame.is_corrupt:
                log.guessed.append(count)
            count += 1
            last, before = frame, time
            yield frame, time
    # was it too much?
    if missing:
        raise VideoError(f"'{path}' breaks off after {count} frames: it is damaged or cut short")
    log.early = end.check(count)
    log.lost = max(0, end.frames - count - log.left_out)
    bad = len(log.repeated) + log.left_out + log.lost
    if len(log.repeated) > max(1, MOST_DAMAGED * count) or bad > max(MOST_LOST, MOST_DAMAGED * count):
        which = f", such as frame {log.repeated[0]}" if log.repeated else ""
        raise VideoError(f"'{path}' has {bad} frames that cannot be decoded{which}: it is damaged")


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
) -> Iterator[tuple[float, float, Callable[[], np.ndarray]]]:
    """Yield frames from ``start`` to before ``stop``: the time, how long it is shown (0 if unknown), and a function that converts it.

    Skipped frames cost little, because they are decoded but not converted.

    Raises:
        VideoError: if the file is damaged, or ends before its header says so.
    """
    with open_container(path) as container:
        shape = way = None
        for count, (frame, seconds) in enumerate(decode(container, path, log)):
            if stop is not None and count >= stop:
                return
            if shape is None:
                shape, way = (frame.width, frame.height), orientation(frame)
            if shape != (frame.width, frame.height):
                sizes = f"frame {count} is {frame.width}x{frame.height}, expected {shape[0]}x{shape[1]} like the first"
                raise VideoError(f"'{path}' changes its size: {sizes}")
            if count >= start:
                shown = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0
                yield seconds, shown, partial(upright, frame, size, way)


# ---- time


class Clock:
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


class _FrameTimes:
    """The timestamps of frames on the file's clock.

    AVI files have only the times at which frames are decoded. The k-th frame that is shown has the k-th smallest of them.
    """

    def __init__(self, container):
        self.of_packets: list[float] | None = [] if container.format.name == "avi" else None

    def see(self, packet) -> None:
        """Note the time of a packet."""
        if self.of_packets is not None and packet.size and packet.dts is not None:
            heapq.heappush(self.of_packets, float(packet.dts * packet.time_base))

    def time(self, frame) -> float | None:
        """Return the time of the next frame; ``frame`` is None if it is missing."""
        if self.of_packets is not None:
            return heapq.heappop(self.of_packets) if self.of_packets else None
        return None if frame is None or frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)


def packet_times(path: Path) -> list[float]:
    """Read the times of all frames of a video file from its packets, without decoding: seconds from the first, ascending.

    Raises:
        VideoError: if the file cannot be read to its end.
    """
    with open_container(path) as container:
        stream = main_stream(container)
        clock = Clock(frame_rate(stream))
        # frames are not stored in the order in which they are shown; where recordings were joined, the clock starts again
        parts, latest = [[]], -math.inf
        for packet in packets(container, path):
            if packet.stream is not stream or not packet.size or packet.is_discard:
                continue
            decoded_at = packet.pts if packet.dts is None else packet.dts
            shown_at = decoded_at if container.format.name == "avi" or packet.pts is None else packet.pts
            if decoded_at is not None and decoded_at < latest:
                parts.append([])
            latest = latest if decoded_at is None else decoded_at
            parts[-1].append(None if shown_at is None else float(shown_at * stream.time_base))
        in_order = itertools.chain(*(part if None in part else sorted(part) for part in parts))
        return [clock.seconds(time) for time in in_order]


class _End:
    """Evidence of a cut: the header says how long the video stream or the file is, and the packets end much earlier.

    Counting frames would be no evidence, because the number of frames in a header is often a guess from the rate.

    Attributes:
        frames: packets of the video stream, if each holds one frame.
    """

    def __init__(self, container, stream, path: Path):
        self.stream, self.path, self.kind = stream, path, container.format.name
        self.step = 1 / frame_rate(stream)
        self.pictures = self.any = None  # where the packets end, in seconds on the file's clock
        self.one_each = stream.codec_context.name not in HIDES_FRAMES and self.kind.split(",")[0] in ONE_FRAME_PER_PACKET
        self.frames = 0
        start = (stream.start_time or 0) * stream.time_base
        if self.kind == "avi" and stream.frames:  # FFmpeg derives other lengths from the size of the file
            self.length = stream.frames * self.step
            self.promised, self.of_pictures = float(start) + self.length, True
        elif stream.duration:
            self.length = float(stream.duration * stream.time_base)
            self.promised, self.of_pictures = float(start) + self.length, True
        elif container.duration:  # Matroska counts from 0, also if the first frame comes later
            self.length = self.promised = container.duration / 1e6
            self.of_pictures = False
        else:
            self.promised = None

    def see(self, packet) -> None:
        """Note where a packet ends."""
        if packet.stream is self.stream and packet.size and not packet.is_discard:
            self.frames += self.one_each
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or packet.time_base is None:
            return
        end = float((time + (packet.duration or 0)) * packet.time_base)
        self.any = end if self.any is None else max(self.any, end)
        if packet.stream is self.stream:
            self.pictures = end if self.pictures is None else max(self.pictures, end)

    def check(self, count: int) -> float:
        """Return by how many seconds the packets ended before the promised time, 0 if by less than three frames.

        Raises:
            VideoError: if they ended much earlier, or the mark at the end of the file is missing.
        """
        mark = END_MARKS.get(self.kind)
        if mark is not None:
            with open(self.path, "rb") as file:
                file.seek(max(0, os.path.getsize(self.path) - 64))
                if mark not in file.read():
                    raise VideoError(f"'{self.path}' breaks off after {count} frames: it is damaged or cut short")
        reached = self.pictures if self.promised is None or self.of_pictures else self.any
        if self.promised is None or reached is None:
            return 0.0
        missing = self.promised - reached
        if missing > 0.05 * self.length + 2 * self.step:
            raise VideoError(f"'{self.path}' breaks off after {count} frames, {missing:.1f} s before its end: it is damaged or cut short")
        return missing if missing > 2.5 * self.step else 0.0


# ---- upright


def orientation(frame) -> int:
    """Return how a decoded frame must be turned and mirrored, as an EXIF orientation (1 to 8), from the file's display matrix."""
    from av.sidedata.sidedata import SideDataContainer, Type

    try:
        # not frame.side_data: a frame that keeps its side data refers to itself, and stays in memory until the next garbage collection
        matrix = SideDataContainer(frame).get(Type.DISPLAYMATRIX)
    except ValueError:  # a frame with side data of a kind that PyAV does not know, such as EXIF
        return {0: 1, 90: 8, 180: 3, 270: 6}.get(frame.rotation % 360, 1)
    if matrix is None:
        return 1
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).astype(np.float64)
    if abs(a) + abs(d) >= abs(b) + abs(c):  # the axes stay
        return {(False, False): 1, (True, False): 2, (True, True): 3, (False, True): 4}[(a < 0, d < 0)]
    return {(False, False): 5, (False, True): 6, (True, True): 7, (True, False): 8}[(b < 0, c < 0)]


def upright(frame, size: Size, way: int) -> np.ndarray:
    """Convert a decoded frame to uint8 RGB (H, W, 3): scaled by FFmpeg, then turned and mirrored.

    Args:
        frame: from PyAV.
        size: see :func:`~tinytrack.io.frames.fit_size`.
        way: from :func:`orientation`.

    Raises:
        VideoError: if FFmpeg cannot convert it.
    """
    import av

    h, w = (frame.width, frame.height) if way >= 5 else (frame.height, frame.width)
    h, w = fit_size(h, w, size)
    try:
        picture = frame.to_ndarray(format="rgb24", width=h if way >= 5 else w, height=w if way >= 5 else h)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"a frame of {frame.width}x{frame.height} pixels in the format {frame.format.name} cannot be converted") from error
    return picture if way == 1 else turn(picture, way)
