"""A trained model: the network, the palette and the temperature it was trained with, in one file."""

import dataclasses
import hashlib
import itertools
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .color import Palette
from .embed import PaperNet, TinyNet
from .errors import ModelError, TinytrackError
from .files import save_tensors, user_path

FORMAT = "tinytrack model 1"
NETWORKS = {"TinyNet": TinyNet, "PaperNet": PaperNet}
SHIPPED = ("tiny-gray", "tiny-lab", "single")
"""Weights that come with tinytrack: two to track with, which see gray (as the paper's) or colour, and the paper's control."""

_HERE = Path(__file__).resolve().parent
DATA = _HERE / "data" if (_HERE / "data").is_dir() else _HERE.parent / "data"
"""The files that come with tinytrack: weights, masks and joints."""


@dataclasses.dataclass
class Model:
    """What tracking needs from training.

    Attributes:
        net: TinyNet or PaperNet.
        palette: the colour classes it was trained to point at.
        temperature: of Eq. 2 in training (the paper's is 1).
        card: how it was trained: plain numbers and strings, shown by ``describe``.
    """

    net: nn.Module
    palette: Palette
    temperature: float = 1.0
    card: dict = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        return type(self.net).__name__

    @property
    def sees_color(self) -> bool:
        """Whether it is shown colours: then it must not be asked to make them."""
        return self.net.channels != 1

    @property
    def device(self) -> torch.device:
        return next(itertools.chain(self.net.parameters(), self.net.buffers())).device

    def fingerprint(self) -> str:
        """Twelve hex digits that change when any weight changes."""
        digest = hashlib.sha256(np.float64(self.temperature).tobytes())
        for key, value in sorted(self.net.state_dict().items()):
            digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]

    def save(self, path: str | os.PathLike) -> None:
        """Write one file, atomically."""
        content = {
            "format": FORMAT,
            "network": self.name,
            "channels": self.net.channels,
            "weights": {k: v.detach().cpu().contiguous() for k, v in self.net.state_dict().items()},
            "palette": self.palette.centers.cpu(),
            "temperature": float(self.temperature),
            "card": self.card,
        }
        save_tensors(content, path)


def best_device(name: str = "auto") -> str:
    """Where to work: the device asked for or, if nobody says ("auto"), a GPU where there is one, else "cpu".

    Of several processes on one machine (torchrun tells each its number there) each takes a GPU of its own.

    Raises:
        TinytrackError: if the device cannot be used here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    if name != "cpu":
        try:
            torch.zeros(1, device=name).item()  # the device "meta" makes tensors, but without numbers
        except Exception as error:  # each backend raises its own class
            raise TinytrackError(f"the device '{name}' cannot be used here: expected cpu, or cuda where there is a GPU") from error
    return name


def make_network(name: str, channels: int = 1) -> nn.Module:
    """A network before training, from torch's random state.

    Args:
        name: a key of :data:`NETWORKS`.
        channels: what it sees: 1 gray, 3 Lab (TinyNet only).

    Raises:
        ModelError: for a network that there is not.
    """
    if name not in NETWORKS:
        raise ModelError(f"unknown network '{name}': expected one of {', '.join(NETWORKS)}")
    if channels == 1:
        return NETWORKS[name]()
    if name != "TinyNet" or channels != 3:
        raise ModelError(f"no {name} that sees {channels} channels: expected 1 (gray), or 3 (Lab) with TinyNet")
    return TinyNet(channels)


def random_model(network: str = "TinyNet", seed: int = 0, device: torch.device | str = "cpu", channels: int = 1) -> Model:
    """A network that learned nothing: the control of every claim that training did something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = make_network(network, channels)
    gray = Palette(torch.zeros(1, 2))
    return Model(net.to(device).eval(), gray, 0.07 if network == "TinyNet" else 1.0, {"trained": "not at all", "seed": seed})


def find_model(name: str | os.PathLike) -> Path:
    """The file behind ``--model``: a shipped name ("tiny-gray") or a path.

    Raises:
        ModelError: if there is neither.
    """
    if str(name) in SHIPPED:
        path = DATA / f"{name}.pt"
        if not path.is_file():
            raise ModelError(f"the shipped weights '{path.name}' are missing from the data folder: install tinytrack from its repository")
        return path
    path = user_path(name)
    if not path.is_file():
        raise ModelError(f"no model '{name}': expected a weights file written by 'tinytrack train' or one of: {', '.join(SHIPPED)}")
    return path


def load_model(name: str | os.PathLike = "tiny-gray", device: torch.device | str = "cpu", network: str | None = None) -> Model:
    """Load a model for tracking (eval mode). Only tensors and plain values are read (``weights_only``): no code runs.

    Args:
        name: a shipped name (:data:`SHIPPED`) or a path.
        device: where the network shall live.
        network: if given, the network that the caller needs ("TinyNet" or "PaperNet").

    Raises:
        ModelError: if the file is missing, is not a tinytrack model, or holds another network's weights.
    """
    path = find_model(name)
    expected = "expected a weights file written by 'tinytrack train'"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about odd pickles before it refuses them; our sentence is enough
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different class for each way a file can be junk
        raise ModelError(f"'{path}' cannot be read as a model: {expected}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelError(f"'{path}' is not a tinytrack model: {expected}")
    stored = content.get("network")
    if not isinstance(stored, str) or stored not in NETWORKS:
        raise ModelError(f"'{path}' holds weights of '{stored}': expected one of {', '.join(NETWORKS)}")
    if network is not None and stored != network:
        raise ModelError(f"'{path}' holds weights of {stored}: expected {network}")
    try:
        net = make_network(stored, content.get("channels", 1))  # files of before there was Lab do not say: all were gray
        net.load_state_dict(content["weights"])
        palette = Palette(content["palette"].float().reshape(-1, 2))
        model = Model(net.to(device).eval(), palette, float(content["temperature"]), dict(content.get("card", {})))
    except ModelError as error:  # of make_network, which does not know the file
        raise ModelError(f"'{path}' cannot be used: {error}") from error
    except (KeyError, RuntimeError, AttributeError, TypeError, ValueError) as error:
        raise ModelError(f"'{path}' does not fit {stored}: its weights are of another network or another version") from error
    if not all(torch.isfinite(v).all() for v in net.state_dict().values() if isinstance(v, Tensor)):
        raise ModelError(f"'{path}' holds weights that are not finite: training must have diverged")
    return model
