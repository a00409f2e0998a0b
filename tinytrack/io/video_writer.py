"""Write frames as an H.264 video that every browser and notebook can play."""

import os
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from ..errors import OutputError
from .atomic import staged_file


def write_video(path: str | os.PathLike, frames: Iterable[np.ndarray], fps: float = 25.0, quality: int = 18) -> int:
    """Write frames as H.264 in yuv420p with the index in front, which plays in every browser and notebook.

    Args:
        path: the file, ending in .mp4 (or .mov, .mkv).
        frames: uint8 RGB (H, W, 3), all of one size; may be a generator. An odd height or width, which 4:2:0 colour cannot
            store, is padded by repeating one row or column.
        fps: frames per second.
        quality: x264's constant rate factor; 18 looks lossless, larger is smaller.

    Returns:
        The number of frames written.

    Raises:
        TypeError: if a frame is not uint8; floats in [0, 1], for example, would be written as black.
        ValueError: if there are no frames, or a frame has another shape than the first.
        OutputError: if the file cannot be written; nothing is left behind in that case.
    """
    import av

    count = 0
    with staged_file(path) as scratch:
        container = stream = shape = None
        try:
            for frame in frames:
                # check the frame
                frame = np.asarray(frame)
                if frame.dtype != np.uint8:
                    raise TypeError(f"frames must be uint8 in 0..255, got {frame.dtype}: convert with (255 * x).round().astype('uint8')")
                if frame.ndim != 3 or frame.shape[2] != 3:
                    raise ValueError(f"frames must be RGB (H, W, 3), got shape {frame.shape}")
                # the first frame decides the size: open the file
                if container is None:
                    shape = frame.shape
                    # The index in front lets a browser start playing before it has loaded the whole file.
                    fast = {"movflags": "+faststart"} if scratch.suffix.lower() in {".mp4", ".mov"} else {}
                    rate = Fraction(fps).limit_denominator(1001)
                    try:
                        container = av.open(os.fspath(scratch), "w", options=fast)
                        stream = container.add_stream("libx264", rate=rate)
                    except ValueError as error:  # the ending is unknown to PyAV, or does not allow H.264
                        raise OutputError(f"cannot write '{path}' as a video: expected a name that ends in .mp4") from error
                    stream.height, stream.width = shape[0] + shape[0] % 2, shape[1] + shape[1] % 2
                    stream.pix_fmt = "yuv420p"
                    stream.options = {"crf": str(quality), "preset": "veryfast"}
                if frame.shape != shape:
                    raise ValueError(f"frame {count} is {frame.shape[:2]}: expected {shape[:2]} like the first frame")
                # pad to even sides, encode, write
                if frame.shape[0] % 2 or frame.shape[1] % 2:
                    frame = np.pad(frame, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                for packet in stream.encode(picture):
                    container.mux(packet)
                count += 1
            if container is None:
                raise ValueError(f"no frames to write to '{path}'")
            for packet in stream.encode():  # the frames that the encoder still holds back
                container.mux(packet)
        finally:
            if container is not None:
                container.close()
    return count
