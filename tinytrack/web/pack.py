"""Pack arrays and pictures into JavaScript files.

A page that is opened from a folder (``file://``) may not fetch files, but it may run scripts. Every piece of data is therefore a script
that puts one object on the page, with its arrays as base64 text.
"""

import base64
import io
import json

import numpy as np
from torch import Tensor

LEVELS = 255  # an embedding's numbers are stored in one byte each


def as_text(array: np.ndarray) -> str:
    """Return the bytes of an array, in C order, as base64 text."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def quantize(embeddings: Tensor) -> dict:
    """Store embeddings (T, D, h, w) in one byte per number, with the range of each of the D channels.

    Returns:
        ``values``: uint8 (T, h, w, D) as base64 text; ``low`` and ``step``: D numbers each, so that f = low + step * value.
    """
    low, high = (edge.double().numpy() for edge in (embeddings.amin((0, 2, 3)), embeddings.amax((0, 2, 3))))
    step = np.maximum(high - low, 1e-12) / LEVELS
    values = ((embeddings.movedim(1, -1).double().numpy() - low) / step).round().clip(0, LEVELS).astype(np.uint8)
    return {"values": as_text(values), "low": low.tolist(), "step": step.tolist()}


def as_picture(frame: np.ndarray, quality: int = 88) -> str:
    """Turn a frame uint8 RGB (H, W, 3) into the address of a JPEG picture that is inside the address itself."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def as_overlay(ids: np.ndarray, colors: np.ndarray) -> str:
    """Turn object ids uint8 (H, W) into the address of a PNG picture; the background is transparent.

    Args:
        ids: 0 is the background.
        colors: uint8 (K, 3), the colours of objects 1 ... K.
    """
    from PIL import Image

    picture = Image.fromarray(ids)
    picture.putpalette([0, 0, 0, *colors.flatten().tolist()])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=0, optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def as_script(name: str, content: dict) -> str:
    """Write the script that puts ``content`` on the page, where ``tinytrack.load(name)`` finds it."""
    return f"tinytrack.data[{json.dumps(name)}] = {json.dumps(content, separators=(',', ':'))};\n"
