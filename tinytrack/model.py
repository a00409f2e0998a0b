"""A trained model in one file: the network, and the palette and the temperature it was trained with."""

import dataclasses
import hashlib
import itertools
import os
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from .color import Palette, has_color
from .embed import LabNet, PaperNet, TinyNet
from .errors import ModelError, TinytrackError
from .io.atomic import save_tensors
from .io.paths import find_weights

FORMAT = "tinytrack model 1"
NETWORKS = {"TinyNet": TinyNet, "LabNet": LabNet, "PaperNet": PaperNet}


@dataclasses.dataclass
class Model:
    """What tracking needs from training.

    Attributes:
        net: TinyNet, LabNet or PaperNet.
        palette: the colour classes it was trained to point at.
        temperature: of Eq. 2 in training (the paper's is 1).
        card: how it was trained, as plain numbers and strings.
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
        """Whether the network sees colours, and therefore must not be asked to predict them."""
        return self.net.channels != 1

    @property
    def device(self) -> torch.device:
        return next(itertools.chain(self.net.parameters(), self.net.buffers())).device

    def fingerprint(self) -> str:
        """Return twelve hex digits that change when any weight changes."""
        digest = hashlib.sha256(np.float64(self.temperature).tobytes())
        for key, value in sorted(self.net.state_dict().items()):
            digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]

    def save(self, path: str | os.PathLike) -> None:
        """Write the model to one file, atomically."""
        content = {
            "format": FORMAT,
            "network": self.name,
            "shape": self.net.shape,
            "weights": {k: v.detach().cpu().contiguous() for k, v in self.net.state_dict().items()},
            "palette": self.palette.centers.cpu(),
            "temperature": float(self.temperature),
            "card": self.card,
        }
        save_tensors(content, path)


def best_device(name: str = "auto") -> str:
    """Choose the device: the named one, or with "auto" a GPU where there is one and otherwise the CPU.

    Raises:
        TinytrackError: if the device cannot be used here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name != "cpu":
        try:
            torch.zeros(1, device=name).item()  # the device "meta" makes tensors without numbers
        except Exception as error:  # each backend raises its own class
            raise TinytrackError(f"the device '{name}' cannot be used here: expected cpu, or cuda where there is a GPU") from error
    return name


def best_weights(frames: Iterable[np.ndarray]) -> str:
    """Name the shipped weights that track best in a video, given its first frames, uint8 RGB (H, W, 3).

    A network that sees colour tracks better, but needs some to see.
    """
    return "tiny-lab" if any(has_color(frame) for frame in frames) else "tiny-gray"


def make_network(name: str, **shape: int | Sequence[int]) -> nn.Module:
    """Make an untrained network from torch's random state.

    Args:
        name: a key of :data:`NETWORKS`.
        shape: what its constructor takes, such as ``width``.

    Raises:
        ModelError: if there is no such network.
    """
    if name not in NETWORKS:
        raise ModelError(f"unknown network '{name}': expected one of {', '.join(NETWORKS)}")
    return NETWORKS[name](**shape)


def random_model(network: str = "TinyNet", seed: int = 0, device: torch.device | str = "cpu") -> Model:
    """Make a model with random weights: the control for every claim that training achieved something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = make_network(network)
    gray = Palette(torch.zeros(1, 2))
    return Model(net.to(device).eval(), gray, 1.0 if network == "PaperNet" else 0.07, {"trained": "not at all", "seed": seed})


def load_model(name: str | os.PathLike = "tiny-gray", device: torch.device | str = "cpu", network: str | None = None) -> Model:
    """Load a model for tracking, in eval mode. Only tensors and plain values are read (``weights_only``), so no code can run.

    Args:
        name: a shipped name (:data:`tinytrack.io.paths.SHIPPED`) or a path.
        device: where to put the network.
        network: the network that the caller needs, such as "TinyNet"; None: any.

    Raises:
        ModelError: if the file is missing, is not a tinytrack model, or holds another network's weights.
    """
    path = find_weights(name)
    expected = "expected a weights file written by 'tinytrack train'"
    # read the file
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about odd pickles before it refuses them
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
    # build the network and fill in its weights
    try:
        # earlier files say less about the shape: the first only how many channels a TinyNet sees, later ones not the blocks, always four
        shape = content.get("shape", {"channels": content.get("channels", 1)} if stored == "TinyNet" else {})
        net = make_network(stored, **(({} if stored == "PaperNet" else {"dilations": (1, 2, 4, 1)}) | shape))
        net.load_state_dict(content["weights"])
        palette = Palette(content["palette"].float().reshape(-1, 2))
        model = Model(net.to(device).eval(), palette, float(content["temperature"]), dict(content.get("card", {})))
    except (KeyError, RuntimeError, AttributeError, TypeError, ValueError) as error:
        raise ModelError(f"'{path}' does not fit {stored}: its weights are of another network or another version") from error
    if not all(torch.isfinite(v).all() for v in net.state_dict().values() if isinstance(v, Tensor)):
        raise ModelError(f"'{path}' holds weights that are not finite: training must have diverged")
    return model
