"""Find single frames of a video file by seeking, without decoding everything before them."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from ..errors import VideoError
from .container import frame_rate, main_stream, open_container

NEAR_THE_END = 0.5  # seconds by which a video may end early: headers round, sound is longer than the picture, edit lists skip frames


def frames_near(path: Path, times: Sequence[float]) -> list:
    """Decode the frames nearest to ``times``, in ascending seconds from the first frame; returns PyAV's frames.

    Raises:
        VideoError: if the video ends before the last of them, or one of them is damaged.
    """
    frames = _frames_near(path, times)
    # Some formats cannot be sought in, and a broken index leads too far: in both cases decode from the start.
    return frames if frames is not None else _frames_near(path, times, from_start=True)


def _frames_near(path: Path, times: Sequence[float], from_start: bool = False) -> list | None:
    """Like :func:`frames_near`; None if seeking failed."""
    import av

    found, before, here, end, damaged = [], None, 0.0, 0.0, False
    with open_container(path) as container:
        stream = main_stream(container)
        rate = frame_rate(stream)
        begin = (stream.start_time or 0) * stream.time_base
        # go to the key frame before the first of the times
        if not from_start:
            try:
                container.seek(int((Fraction(max(times[0], 0.0)) + begin) / stream.time_base), stream=stream)
            except (av.FFmpegError, OSError, ValueError):
                return None
        # decode on; a frame is found once the next one is farther from its time
        for count, frame in enumerate(_decode_near(container, path, times, rate, begin)):
            earlier, here = here, float(frame.pts * stream.time_base - begin) if frame.pts is not None else count / rate
            end = here + max(0.0, float((frame.duration or 0) * stream.time_base) - 1 / rate)  # where a usual frame would begin
            damaged |= frame.is_corrupt  # the decoder has guessed it, and every frame predicted from it
            if not from_start and before is None and (frame.pts is None or here > times[0] + 0.5 / rate):
                return None  # seeking went too far
            while len(found) < len(times) and before is not None and here > times[len(found)]:
                if here - times[len(found)] < times[len(found)] - earlier:
                    break  # this frame is nearer than the one before
                found.append(before)
            before = frame
            if len(found) == len(times):
                break
    # the remaining times are after the last frame
    if before is None or max(here, end) < times[-1] - NEAR_THE_END:
        if not from_start:
            return None
        raise VideoError(f"'{path}' breaks off after {here:.1f} s: it is damaged or cut short")
    found += [before] * (len(times) - len(found))
    if damaged:
        raise VideoError(f"'{path}' has damaged pictures near {times[0]:.1f} s")
    return found


def _decode_near(container, path: Path, times: Sequence[float], rate: float, begin: Fraction) -> Iterator:
    """Decode from the current position; frames far from ``times`` are skipped if no other frame depends on them (mostly B-frames).

    One thread is enough: training decodes many files at a time, and a decoder's own threads would decode ahead in vain.
    """
    import av

    stream = main_stream(container)
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
