"""Files <-> frames: one frame at a time, so that a phone clip never has to fit in memory.

Frames are uint8 RGB (H, W, 3) at this border of the library and nowhere turned or scaled twice.
"""

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np

from .errors import OutputError, VideoError
from .files import staged_file, user_path

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
FOLDER_FPS = 24.0
"""Frames per second of a folder of frames, which has no clock of its own (DAVIS was published at 24)."""

Size = int | tuple[int, int] | None


def fit_size(height: int, width: int, size: Size, multiple: int = 1) -> tuple[int, int]:
    """The (height, width) asked for by ``size``: None keeps it, an int sets the shorter side, a pair is taken as it is.

    Both are rounded to multiples of ``multiple``, and are at least that.
    """
    if size is None:
        h, w = height, width
    elif isinstance(size, int):
        scale = size / min(height, width)
        h, w = height * scale, width * scale
    else:
        h, w = size
    return tuple(max(multiple, round(v / multiple) * multiple) for v in (h, w))


@dataclass(frozen=True)
class Video:
    """A video file or a folder of frames, opened lazily: nothing is decoded until :meth:`frames` is iterated.

    Attributes:
        path: the file or folder.
        start, stop: the range of frames that counts as this video (stop None: to the end).
        name: for messages and titles.
    """

    path: Path
    start: int = 0
    stop: int | None = None
    name: str = ""

    @property
    def title(self) -> str:
        return self.name or self.path.name

    def part(self, start: int, stop: int | None, name: str = "") -> "Video":
        """Frames start..stop-1 of this video as a video of its own."""
        first = self.start + start
        last = self.stop if stop is None else self.start + stop
        return replace(self, start=first, stop=last, name=name or self.name)

    @cached_property
    def _header(self) -> tuple[int, int, float]:
        if self.path.is_dir():
            first = _read_image(list_images(self.path)[0])
            return first.shape[0], first.shape[1], FOLDER_FPS
        with _open(self.path) as container:
            stream = container.streams.video[0]
            frame = next(_decode(container, self.path), None)
            if frame is None:
                raise VideoError(f"'{self.path}' holds no frame that can be decoded: expected a video")
            h, w = frame.height, frame.width
            if frame.rotation % 180:
                h, w = w, h
            return h, w, float(stream.average_rate or stream.guessed_rate or FOLDER_FPS)

    @property
    def height(self) -> int:
        """Rows of an upright frame."""
        return self._header[0]

    @property
    def width(self) -> int:
        """Columns of an upright frame."""
        return self._header[1]

    @property
    def fps(self) -> float:
        """Frames per second as stored."""
        return self._header[2]

    @cached_property
    def seconds(self) -> float | None:
        """What the header says of its length in seconds; None if it says nothing."""
        if self.path.is_dir():
            return len(list_images(self.path)) / FOLDER_FPS
        with _open(self.path) as container:
            stream = container.streams.video[0]
            if stream.duration:
                return float(stream.duration * stream.time_base)
            return container.duration / 1e6 if container.duration else None

    def frames(self, size: Size = None, fps: float | None = None, max_frames: int | None = None) -> Iterator[np.ndarray]:
        """Decode, turn upright and scale frame by frame: yields uint8 RGB (H, W, 3).

        Args:
            size: None (as filmed), an int (the shorter side in pixels, shape kept) or (height, width).
            fps: keep at most so many frames a second, by leaving frames out; frames are never repeated.
            max_frames: stop after so many frames.

        Raises:
            VideoError: if the file is missing, is no video, has no picture track or ends before its time.
        """
        if fps is not None and fps <= 0:
            raise VideoError(f"fps must be positive, got {fps}")
        source = _folder_frames(self, size) if self.path.is_dir() else _file_frames(self, size)
        step = max(1.0, self.fps / fps) if fps else 1.0
        taken = 0
        for index, frame in enumerate(source):
            if max_frames is not None and taken >= max_frames:
                return
            if index >= taken * step - 1e-6:
                taken += 1
                yield frame()

    def moving_frames(self, size: Size = None) -> Iterator[np.ndarray]:
        """:meth:`frames`, after making sure that there are two at least.

        Raises:
            VideoError: for a single picture, in which nothing can be followed.
        """
        frames = self.frames(size)
        start = list(itertools.islice(frames, 2))
        if len(start) < 2:
            raise VideoError(f"'{self.title}' has {len(start)} frame(s): expected a video of at least two")
        yield from itertools.chain(start, frames)

    def frames_before(self, stop: int, size: Size = None, megabytes: float = 200.0) -> Iterator[np.ndarray]:
        """Frames stop - 1, stop - 2, ..., 0, with at most about ``megabytes`` of them in memory at a time.

        Videos cannot be decoded backwards: this decodes from the start once for each chunk.
        """
        h, w = fit_size(self.height, self.width, size)
        chunk = max(8, int(megabytes * 1e6 / (3 * h * w)))
        for end in range(stop, 0, -chunk):
            yield from reversed(list(itertools.islice(self.frames(size, max_frames=end), max(0, end - chunk), end)))

    def frames_at(self, times: Sequence[float], size: Size = None) -> list[np.ndarray]:
        """The frames nearest to ``times`` (seconds from the start, ascending): uint8 RGB (H, W, 3) each.

        Found by seeking: what is decoded begins at the key frame before the first of them, and ends with the last.

        Raises:
            VideoError: as :meth:`frames`; and if the video ends before the last of them, or a frame asked for is damaged.
        """
        if self.path.is_dir():
            pictures = list(_folder_frames(self, size))
            last = (len(pictures) - 1) / FOLDER_FPS
            if times[-1] > last + NEAR_THE_END:
                raise VideoError(f"'{self.path}' ends after {last:.1f} s: there is no frame at {times[-1]:.1f} s")
            return [pictures[min(round(t * FOLDER_FPS), len(pictures) - 1)]() for t in times]
        if self.start or self.stop is not None:
            first, last = self.start / self.fps, np.inf if self.stop is None else (self.stop - 1) / self.fps
            if first + times[-1] > last + NEAR_THE_END:
                raise VideoError(f"'{self.title}' ends after {last - first:.1f} s: there is no frame at {times[-1]:.1f} s")
            times = [min(first + t, last) for t in times]
        return [_upright(frame, size) for frame in _seek(self.path, times)]

    def read(self, size: Size = None, fps: float | None = None, max_frames: int | None = None) -> np.ndarray:
        """All frames at once: uint8 RGB (T, H, W, 3). See :meth:`frames`."""
        frames = list(self.frames(size, fps, max_frames))
        if not frames:
            raise VideoError(f"'{self.title}' has no frames in the range asked for")
        return np.stack(frames)


def open_video(path: str | os.PathLike) -> Video:
    """Open a video file (mp4, webm, gif, avi, mov ...) or a folder of frames.

    Raises:
        VideoError: if it does not exist, is empty, or has no picture track.
    """
    path = user_path(path)
    video = Video(path)
    if not os.path.exists(path):  # Path.exists raises for a name too long
        raise VideoError(f"no such video: '{path}'")
    if not path.is_dir() and path.stat().st_size == 0:
        raise VideoError(f"'{path}' is empty: expected a video")
    if path.is_dir():
        list_images(path)
    else:
        with _open(path):
            pass
    return video


def read_video(path: str | os.PathLike, size: Size = None, fps: float | None = None, max_frames: int | None = None) -> np.ndarray:
    """Read a video file or a folder of frames: uint8 RGB (T, H, W, 3), upright. Arguments as in :meth:`Video.frames`."""
    return open_video(path).read(size, fps, max_frames)


def _natural(path: Path) -> list:
    """Sort key under which frame 10 comes after frame 9."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", path.name)]


def list_images(folder: Path) -> list[Path]:
    """The pictures of a folder of frames, frame 10 after frame 9.

    Raises:
        VideoError: if there is none.
    """
    found = sorted((p for p in folder.iterdir() if p.suffix.lower() in IMAGES and not p.name.startswith(".")), key=_natural)
    if not found:
        raise VideoError(f"the folder '{folder}' holds no pictures: expected frames such as 00000.jpg or 00000.png")
    return found


def _read_image(path: Path) -> np.ndarray:
    import imageio.v3 as imageio

    try:
        # Pillow turns gray, palette, 16-bit and alpha pictures into RGB.
        frame = imageio.imread(path, plugin="pillow", mode="RGB", index=0)
    except Exception as error:  # Pillow raises many classes for damaged pictures
        raise VideoError(f"'{path}' cannot be read as a picture: expected a frame of a video") from error
    return np.ascontiguousarray(frame)


def resize(frame: np.ndarray, h: int, w: int) -> np.ndarray:
    """Scale a uint8 RGB frame (H, W, 3) to (h, w, 3), smoothing when it shrinks."""
    if frame.shape[:2] == (h, w):
        return frame
    from PIL import Image

    return np.array(Image.fromarray(frame).resize((w, h), Image.Resampling.BILINEAR))  # a copy: torch wants it writable


def _folder_frames(video: Video, size: Size):
    h, w = video.height, video.width
    for path in list_images(video.path)[video.start : video.stop]:

        def frame(path=path):
            picture = _read_image(path)
            if picture.shape[:2] != (h, w):
                raise VideoError(f"'{path}' is {picture.shape[1]}x{picture.shape[0]}: expected {w}x{h} like the first frame")
            return resize(picture, *fit_size(h, w, size))

        yield frame


def _open(path: Path):
    """Open a container that has a picture track, or say in one sentence why not."""
    import av

    try:
        container = av.open(os.fspath(path), metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:  # "invalid data" is a ValueError, not an OSError
        if not path.exists():
            raise VideoError(f"no such video: '{path}'") from error
        raise VideoError(f"'{path}' cannot be opened as a video: it is damaged, cut short or of another kind") from error
    if not container.streams.video:
        sound = "only sound" if container.streams.audio else "no picture track"
        container.close()
        raise VideoError(f"'{path}' has {sound}: expected a video")
    if container.format.name in {"tty", "ass", "srt", "lrc"}:  # FFmpeg would draw text files as video
        container.close()
        raise VideoError(f"'{path}' is a text file: expected a video")
    return container


def _decode(container, path: Path):
    import av

    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    count = 0
    try:
        for frame in container.decode(stream):
            count += 1
            yield frame
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"'{path}' breaks off after {count} frames: it is damaged or cut short") from error


def _file_frames(video: Video, size: Size):
    with _open(video.path) as container:
        stream = container.streams.video[0]
        promised = stream.frames
        if not promised and stream.duration and stream.average_rate:
            promised = int(stream.duration * stream.time_base * stream.average_rate)
        elif not promised and container.duration and stream.average_rate and not container.streams.audio:
            promised = int(Fraction(container.duration, 1_000_000) * stream.average_rate)
        if "mp4" in container.format.name and promised and stream.duration and stream.average_rate:
            # A trimmed phone clip still holds the frames before its start, and its edit list, which the duration follows, skips them.
            promised = min(promised, round(stream.duration * stream.time_base * stream.average_rate))
        count = 0
        stopped = False
        for frame in _decode(container, video.path):
            if video.stop is not None and count >= video.stop:
                stopped = True
                break
            count += 1
            if count > video.start:
                yield lambda frame=frame: _upright(frame, size)
        # Demuxers end silently where the file ends. A few frames may be missing by design (edit lists, rounding).
        if not stopped and video.stop is None and count < 0.95 * promised - 2:
            raise VideoError(f"'{video.path}' breaks off after {count} of {promised} frames: it is damaged or cut short")


NEAR_THE_END = 0.5
"""Seconds by which a video may end before its time: headers round, sound is longer than the picture, edit lists leave frames out."""


def _decode_near(container, path: Path, times: Sequence[float], rate: float, begin: Fraction):
    """Decode on from here, for the frames at ``times``: others are left out if no frame is made from them (B-frames, mostly).

    In one thread: whoever wants many clips decodes many files at a time, and a decoder's threads work ahead for nothing.
    """
    import av

    stream = container.streams.video[0]
    stream.thread_type = "NONE"
    count = 0
    try:
        for packet in container.demux(stream):
            if packet.pts is not None:
                shown = float(packet.pts * stream.time_base - begin)
                until = shown + max(1 / rate, float((packet.duration or 0) * stream.time_base))
                wanted = any(shown - 1 / rate < t < until + 1 / rate for t in times)
                stream.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
            for frame in packet.decode():
                count += 1
                yield frame
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"'{path}' breaks off after {count} frames: it is damaged or cut short") from error


def _seek(path: Path, times: Sequence[float]) -> list:
    """The decoded frames nearest to ``times``, in seconds from the first frame."""
    frames = _seek_once(path, times)
    # Not every format can be sought in, and a broken index leads too far: then from the start.
    return frames if frames is not None else _seek_once(path, times, from_start=True)


def _seek_once(path: Path, times: Sequence[float], from_start: bool = False) -> list | None:
    """:func:`_seek`; None if seeking failed."""
    import av

    found, before, here, damaged = [], None, 0.0, False
    with _open(path) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or stream.guessed_rate or FOLDER_FPS)
        begin = (stream.start_time or 0) * stream.time_base
        if not from_start:
            try:
                container.seek(int((Fraction(max(times[0], 0.0)) + begin) / stream.time_base), stream=stream)
            except (av.FFmpegError, OSError, ValueError):
                return None
        for count, frame in enumerate(_decode_near(container, path, times, rate, begin)):
            earlier, here = here, float(frame.pts * stream.time_base - begin) if frame.pts is not None else count / rate
            damaged |= frame.is_corrupt  # guessed by the decoder, as is what is made from it
            if not from_start and before is None and (frame.pts is None or here > times[0] + 0.5 / rate):
                return None
            while len(found) < len(times) and before is not None and here > times[len(found)]:
                if here - times[len(found)] < times[len(found)] - earlier:
                    break  # this frame is nearer
                found.append(before)
            before = frame
            if len(found) == len(times):
                break
    if before is None or here < times[-1] - NEAR_THE_END:
        if not from_start:
            return None
        raise VideoError(f"'{path}' breaks off after {here:.1f} s: it is damaged or cut short")
    found += [before] * (len(times) - len(found))
    if damaged:
        raise VideoError(f"'{path}' has damaged pictures near {times[0]:.1f} s")
    return found


def _upright(frame, size: Size) -> np.ndarray:
    """A decoded frame as RGB, scaled by FFmpeg's own scaler, then turned as the phone asks."""
    turns = round(frame.rotation / 90) % 4  # display matrix, counter-clockwise
    h, w = (frame.width, frame.height) if turns % 2 else (frame.height, frame.width)
    h, w = fit_size(h, w, size)
    if turns % 2:
        picture = frame.to_ndarray(format="rgb24", width=h, height=w)
    else:
        picture = frame.to_ndarray(format="rgb24", width=w, height=h)
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def write_video(path: str | os.PathLike, frames: Iterable[np.ndarray], fps: float = 25.0, quality: int = 18) -> int:
    """Write H.264 in yuv420p with the index in front: plays in every browser and notebook.

    Args:
        path: ending .mp4 (or .mov, .mkv).
        frames: uint8 RGB (H, W, 3), all of one size; may be a generator. An odd height or width, which 4:2:0 colour cannot
            store, grows by one repeated row or column.
        fps: frames per second.
        quality: x264's constant rate factor; 18 looks lossless, larger is smaller.

    Returns:
        The number of frames written.

    Raises:
        TypeError: for float frames (scaled to [0, 1] they would be written black) or other types than uint8.
        ValueError: for no frames, or frames of another shape than the first.
        OutputError: if the file cannot be written. Nothing is left behind then.
    """
    import av

    count = 0
    with staged_file(path) as scratch:
        container = stream = shape = None
        try:
            for frame in frames:
                frame = np.asarray(frame)
                if frame.dtype != np.uint8:
                    raise TypeError(f"frames must be uint8 in 0..255, got {frame.dtype}: convert with (255 * x).round().astype('uint8')")
                if frame.ndim != 3 or frame.shape[2] != 3:
                    raise ValueError(f"frames must be RGB (H, W, 3), got shape {frame.shape}")
                if container is None:
                    shape = frame.shape
                    # The index in front lets a browser start before the whole file has come.
                    fast = {"movflags": "+faststart"} if scratch.suffix.lower() in {".mp4", ".mov"} else {}
                    rate = Fraction(fps).limit_denominator(1001)
                    try:
                        container = av.open(os.fspath(scratch), "w", options=fast)
                        stream = container.add_stream("libx264", rate=rate)
                    except ValueError as error:  # PyAV's word for an ending it does not know or that holds no H.264
                        raise OutputError(f"cannot write '{path}' as a video: expected a name that ends in .mp4") from error
                    stream.height, stream.width = shape[0] + shape[0] % 2, shape[1] + shape[1] % 2
                    stream.pix_fmt = "yuv420p"
                    stream.options = {"crf": str(quality), "preset": "veryfast"}
                if frame.shape != shape:
                    raise ValueError(f"frame {count} is {frame.shape[:2]}: expected {shape[:2]} like the first frame")
                if frame.shape[0] % 2 or frame.shape[1] % 2:
                    frame = np.pad(frame, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                for packet in stream.encode(picture):
                    container.mux(packet)
                count += 1
            if container is None:
                raise ValueError(f"no frames to write to '{path}'")
            for packet in stream.encode():
                container.mux(packet)
        finally:
            if container is not None:
                container.close()
    return count


def find_cuts(frames: Iterable[np.ndarray], threshold: float = 0.2) -> list[int]:
    """Frames at which a new shot begins.

    A cut replaces both the picture and its palette: a frame starts a shot when its 8x8x8 colour histogram shares less than
    ``1 - threshold`` of its mass with the frame before *and* more pixels jump than in the frames around it.

    Args:
        frames: uint8 RGB (H, W, 3), any size (small is fine and fast).
        threshold: share of pixels, in (0, 1), that must change colour bin.

    Returns:
        Indices in 1..T-1, ascending; empty for a single shot.
    """
    change, jump = [], []
    before = None
    for frame in frames:
        small = frame[:: max(1, frame.shape[0] // 90), :: max(1, frame.shape[1] // 160)].astype(np.int32)
        bins = np.bincount((small // 32 @ np.array([64, 8, 1])).ravel(), minlength=512) / small[..., 0].size
        if before is not None:
            change.append(np.abs(bins - before[0]).sum() / 2)
            jump.append(np.abs(small - before[1]).mean())
        before = bins, small
    change, jump = np.array(change), np.array(jump)
    cuts = []
    for t in range(len(jump)):
        around = np.delete(jump[max(0, t - 4) : t + 5], min(t, 4))
        if change[t] > threshold and (len(around) == 0 or jump[t] > 2 * np.median(around) + 2):
            cuts.append(t + 1)
    return cuts
