"""The data of the page's third part, "Track in your own video": what its worker needs to run the network and the pointer.

The network is stored in the format ONNX, and a browser runs it with onnxruntime-web. Both lie in ``vendor/``, and
``python -m tests.tools.vendor`` brings them up to date. Everything around them is our own: ``static/tracker/``.
"""

import base64
from pathlib import Path

from ..draw.style import object_color
from ..errors import ModelError
from ..model import load_model
from .pack import as_script

HERE = Path(__file__).parent
VENDOR, TRACKER = HERE / "vendor", HERE / "static" / "tracker"
WEIGHTS, NETWORK, PRODUCT = "tiny-gray", "tiny-gray.onnx", "product.onnx"
RUNTIME, GLUE, WASM = "ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm.gz"
# of the worker, in this order
SCRIPTS = ("maps", "color", "guided", "labels", "gate", "pointer", "propagate", "select", "similar", "worker")
OBJECTS = 8  # how many objects have a colour of their own


def engine_script() -> tuple[str, str]:
    """Return the name and the text of the script with everything that the worker needs.

    Raises:
        ModelError: if a file is missing from the installation.
    """

    def read(name: str) -> bytes:
        try:
            return (VENDOR / name).read_bytes()
        except OSError:
            raise ModelError(f"'{name}' is missing from the installation: install tinytrack again") from None

    ours = "\n".join((TRACKER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    content = {
        "worker": read(RUNTIME).decode() + "\n" + ours,
        "glue": read(GLUE).decode(),
        **{key: base64.b64encode(read(name)).decode() for key, name in (("wasm", WASM), ("network", NETWORK), ("product", PRODUCT))},
        "temperature": load_model(WEIGHTS).temperature,
        "colors": [object_color(n).tolist() for n in range(1, OBJECTS + 1)],
    }
    return "engine", as_script("engine", content)
