"""Copy the sound of a video, to be written beside new pictures."""

import contextlib
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import VideoError
from .container import open_container

COPIED = {"aac", "mp3", "mp3float", "ac3", "opus"}  # codecs that fit into an mp4 file; others are encoded as AAC

LEAST_PAUSE, LONGEST_PAUSE = 0.05, 600.0  # seconds of silence that are filled in, if the clock leaps by as much


@contextlib.contextmanager
def open_sound(path: Path | None) -> Iterator["Sound | None"]:
    """Open the sound track of a video file; None if it has none, or if ``path`` is None or no file."""
    container = None
    if path is not None and path.is_file():
        with contextlib.suppress(VideoError):  # a stack of pictures, for example
            container = open_container(path)
    try:
        tracks = [] if container is None else [stream for stream in container.streams.audio if stream.codec_context is not None]
        yield Sound(container, tracks[0]) if tracks else None
    finally:
        if container is not None:
            container.close()


class Sound:
    """A sound track of an open container, read packet by packet.

    Args:
        container: from :func:`tinytrack.io.container.open_container`.
        stream: one of its sound tracks.
    """

    def __init__(self, container, stream):
        self.container, self.stream = container, stream
        self.copied = self.stream.codec_context.name in COPIED

    def add_to(self, target):
        """Add a stream for this sound to a container that is being written, and return it."""
        if self.copied:
            return target.add_stream_from_template(self.stream)
        out = target.add_stream("aac", rate=self.stream.codec_context.sample_rate)
        out.codec_context.layout = "mono" if self.stream.codec_context.channels == 1 else "stereo"
        return out

    def packets(self, out, origin: float) -> Iterator[tuple[float, object]]:
        """Yield packets for ``out``, each with its time in seconds from ``origin`` (on the file's clock); earlier sound is left out.

        A damaged sound track ends early.
        """
        import av

        with contextlib.suppress(av.FFmpegError, OSError, ValueError):
            if self.copied:
                yield from self._copied_packets(out, origin)
            else:
                yield from self._encoded_packets(out, origin)

    def _copied_packets(self, out, origin: float) -> Iterator[tuple[float, object]]:
        base = self.stream.time_base
        shift, last, straddling = round(origin / base), -1, None
        for packet in self.container.demux(self.stream):
            if packet.dts is None or packet.pts is None:
                continue
            time = packet.pts - shift
            if time < 0:
                straddling = packet if time + (packet.duration or 0) > 0 else None
                continue
            for ready, at in ((straddling, 0), (packet, time)):  # the packet that began before the start belongs to it, too
                if ready is not None and at > last:
                    last, straddling = at, None
                    ready.pts = ready.dts = at
                    ready.stream = out
                    yield float(at * base), ready

    def _encoded_packets(self, out, origin: float) -> Iterator[tuple[float, object]]:
        from av import AudioResampler

        context = out.codec_context
        resampler = AudioResampler(format="fltp", layout=context.layout, rate=context.sample_rate)
        start, samples = None, 0
        for frame in itertools.chain(self.container.decode(self.stream), [None]):
            # leave out what is before the start; fill pauses with silence, because the encoder counts samples
            pieces = [None]  # empties the encoder
            if frame is not None:
                time = None if frame.pts is None else float(frame.pts * frame.time_base) - origin
                if time is not None and time + frame.samples / frame.sample_rate <= 0:
                    continue
                start = max(0.0, time or 0.0) if start is None else start
                pause = 0.0 if time is None else time - start - samples / context.sample_rate
                silence = [_silence(round(pause * context.sample_rate), context)] if LEAST_PAUSE < pause < LONGEST_PAUSE else []
                pieces = silence + resampler.resample(frame)
            for piece in pieces:
                if piece is not None:
                    piece.pts, piece.time_base = samples, Fraction(1, context.sample_rate)
                    samples += piece.samples
                for packet in context.encode(piece):
                    at = float(packet.pts * packet.time_base) + (start or 0.0)
                    packet.pts = packet.dts = round(at / packet.time_base)
                    packet.stream = out
                    yield at, packet


def _silence(samples: int, context):
    """Make a piece of silence in the form that an encoder takes."""
    from av import AudioFrame

    channels = context.layout.nb_channels
    piece = AudioFrame.from_ndarray(np.zeros((channels, samples), np.float32), format="fltp", layout=context.layout.name)
    piece.sample_rate = context.sample_rate
    return piece
