"""Bring up to date what the web page needs besides our own files: the runtime for networks, and our network in its format.

python -m tests.tools.vendor

The runtime is onnxruntime-web, a package of npm, in the pinned version; this needs ``npm`` and ``pip install onnx``. Run it after
``data/tiny-gray.pt`` has changed. Everything goes to ``tinytrack/web/vendor/`` and is committed.
"""

import gzip
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tinytrack.model import load_model
from tinytrack.web.engine_data import GLUE, NETWORK, PRODUCT, RUNTIME, VENDOR, WASM, WEIGHTS

VERSION = "1.30.0"


def fetch_runtime() -> None:
    """Take the files of the runtime out of its package; the large one is compressed."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["npm", "pack", "--silent", f"onnxruntime-web@{VERSION}"], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(scratch).glob("*.tgz"))) as package:
            for name in (RUNTIME, GLUE, WASM):
                content = package.extractfile(f"package/dist/{name.removesuffix('.gz')}").read()
                (VENDOR / name).write_bytes(gzip.compress(content, 9, mtime=0) if name.endswith(".gz") else content)


class Graph:
    """An ONNX graph that grows node by node."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def constant(self, values: np.ndarray) -> str:
        from onnx import numpy_helper

        self.weights.append(numpy_helper.from_array(values, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def add(self, kind: str, *inputs: str, output: str = "", **settings) -> str:
        from onnx import helper

        output = output or f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **settings))
        return output

    def convolve(self, x: str, conv: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> str:
        """Add a convolution; batch normalization, which is a factor and an offset per channel in use, becomes part of its weights."""
        weight, bias = conv.weight.detach().double(), torch.zeros(conv.out_channels).double() if conv.bias is None else conv.bias.double()
        if norm is not None:
            factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
            weight, bias = weight * factor[:, None, None, None], (bias - norm.running_mean.double()) * factor + norm.bias.double()
        p = conv.padding[0]
        if p:
            x = self.add("Pad", x, self.constant(np.array([0, 0, p, p, 0, 0, p, p], np.int64)), mode="reflect")
        weight, bias = (self.constant(v.detach().float().numpy()) for v in (weight, bias))
        return self.add("Conv", x, weight, bias, strides=list(conv.stride), dilations=list(conv.dilation))

    def save(self, path: Path, inputs: dict[str, list], outputs: dict[str, list]) -> None:
        """Write the graph; the shapes of inputs and outputs contain names for the sides that may differ."""
        import onnx
        from onnx import helper

        ends = [[helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, shape) for n, shape in e.items()] for e in (inputs, outputs)]
        graph = helper.make_graph(self.nodes, path.stem, *ends, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())


def write_network() -> None:
    """Write TinyNet: gray frames (1, 1, H, W) in [-1, 1] -> embeddings (1, h, w, D)."""
    net, graph = load_model(WEIGHTS).net, Graph()
    x = "picture"
    for conv, norm in ((0, 1), (3, 4)):
        x = graph.add("Relu", graph.convolve(x, net.stem[conv], net.stem[norm]))
    for block in net.blocks:
        y = graph.add("Relu", graph.convolve(x, block.conv1, block.norm1))
        x = graph.add("Relu", graph.add("Add", x, graph.convolve(y, block.conv2, block.norm2)))
    x = graph.add("LpNormalization", graph.convolve(x, net.head), axis=1, p=2)
    graph.add("Transpose", x, perm=[0, 2, 3, 1], output="embeddings")
    graph.save(VENDOR / NETWORK, {"picture": [1, 1, "H", "W"]}, {"embeddings": [1, "h", "w", net.dim]})


def write_product() -> None:
    """Write the inner products of two lists of embeddings: (m, D) and (n, D) -> (m, n)."""
    graph = Graph()
    graph.add("Gemm", "a", "b", transB=1, output="logits")
    graph.save(VENDOR / PRODUCT, {"a": ["m", "D"], "b": ["n", "D"]}, {"logits": ["m", "n"]})


if __name__ == "__main__":
    VENDOR.mkdir(exist_ok=True)
    fetch_runtime()
    write_network()
    write_product()
