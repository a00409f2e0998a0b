"""Copy the sound of a video, to be written beside new pictures."""

import contextlib
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from ..errors import VideoError
from .container import open_container

COPIED = {"aac", "mp3", "ac3", "opus"}  # codecs that browsers play in an mp4 file; others are encoded as AAC


@contextlib.contextmanager
def open_sound(path: Path | None) -> Iterator["Sound | None"]:
    """Open the sound track of a video file; None if it has none, or if ``path`` is None or no file."""
    container = None
    if path is not None and path.is_file():
        with contextlib.suppress(VideoError):  # a stack of pictures, for example
            container = open_container(path)
    try:
        yield Sound(container) if container is not None and container.streams.audio else None
    finally:
        if container is not None:
            container.close()


class Sound:
    """The first sound track of an open container, read packet by packet.

    Args:
        container: from :func:`tinytrack.io.container.open_container`.
    """

    def __init__(self, container):
        self.container = container
        self.stream = container.streams.audio[0]
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
        shift, last = round(origin / base), -1
        for packet in self.container.demux(self.stream):
            if packet.dts is None or packet.pts is None:
                continue
            time = packet.pts - shift
            if time <= last:  # before the start, or a clock that goes back
                continue
            last = time
            packet.pts = packet.dts = time
            packet.stream = out
            yield float(time * base), packet

    def _encoded_packets(self, out, origin: float) -> Iterator[tuple[float, object]]:
        from av import AudioResampler

        context = out.codec_context
        resampler = AudioResampler(format="fltp", layout=context.layout, rate=context.sample_rate)
        start, samples = None, 0
        for frame in itertools.chain(self.container.decode(self.stream), [None]):
            # leave out what is before the start; the encoder counts from 0
            if frame is not None and start is None:
                begin = 0.0 if frame.pts is None else float(frame.pts * frame.time_base) - origin
                if begin < 0:
                    continue
                start = begin
            # encode; None empties the encoder
            for piece in [None] if frame is None else resampler.resample(frame):
                if piece is not None:
                    piece.pts, piece.time_base = samples, Fraction(1, context.sample_rate)
                    samples += piece.samples
                for packet in context.encode(piece):
                    time = float(packet.pts * packet.time_base) + (start or 0.0)
                    packet.pts = packet.dts = round(time / packet.time_base)
                    packet.stream = out
                    yield time, packet
