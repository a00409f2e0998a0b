"""Open video files with PyAV: the moving pictures and not the cover, and names that are never addresses."""

from collections.abc import Iterator
from pathlib import Path

from ..errors import VideoError
from .paths import av_name
from .stacks import FOLDER_FPS

STILL_CODECS = {"mjpeg", "png", "bmp", "webp", "gif"}  # of cover pictures, and seldom of videos


def open_container(path: Path):
    """Open a container that has a video stream; returns PyAV's ``InputContainer``.

    Raises:
        VideoError: if it is missing, damaged, or no video.
    """
    import av

    try:
        container = av.open(av_name(path), metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:  # PyAV's "invalid data" is a ValueError, not an OSError
        if not path.exists():
            raise VideoError(f"no such video: '{path}'") from error
        raise VideoError(f"'{path}' cannot be opened as a video: it is damaged, cut short or of another kind") from error
    if container.format.name in {"tty", "ass", "srt", "lrc"}:  # FFmpeg renders text files as video
        container.close()
        raise VideoError(f"'{path}' is a text file: expected a video")
    if main_stream(container) is None:
        content = "only sound" if container.streams.audio else "no video stream"
        container.close()
        raise VideoError(f"'{path}' has {content}: expected a video")
    return container


def is_video(path: Path) -> bool:
    """Tell whether a file can be opened as a video; a single picture cannot."""
    try:
        with open_container(path) as container:
            return not container.format.name.endswith("_pipe") and container.format.name != "image2"
    except VideoError:
        return False


def main_stream(container):
    """Choose the stream of moving pictures, not the one of the cover; None if there is none."""
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic and s.codec_context is not None]

    def merit(stream) -> tuple:
        still = stream.frames == 1 or (not stream.frames and stream.codec_context.name in STILL_CODECS)
        return not still, bool(stream.disposition & Disposition.default), stream.codec_context.width * stream.codec_context.height

    return max(streams, key=merit, default=None)


def frame_rate(stream) -> float:
    """Return the average frame rate of a stream as its header has it."""
    return float(stream.average_rate or stream.guessed_rate or FOLDER_FPS)


def packets(container, path: Path) -> Iterator:
    """Demux all streams: the video to decode it, the others to see where the file ends."""
    import av

    try:
        yield from container.demux()
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"'{path}' is damaged or cut short: its data cannot be read to the end") from error
