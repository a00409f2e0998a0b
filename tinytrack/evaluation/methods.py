"""The methods that are compared: a name, and a function that tracks."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from ..datasets.truth import Dataset
from ..model import Model, load_model
from ..propagate import Protocol
from ..track import Carried, carry
from .baselines import FOLLOWERS, baseline_model


@dataclass(frozen=True)
class Method:
    """A method to propagate labels: a name, and a function with the first four arguments of :func:`tinytrack.track.carry`.

    Attributes:
        name: as in tables, such as "tiny-gray" or "identity".
        run: (frames, mask, xy, colors) -> iterator of :class:`tinytrack.track.Carried`.
        model: the features behind the pointer; None for methods without a pointer.
        protocol: how the pointer is used; None for methods without a pointer.
    """

    name: str
    run: Callable[..., Iterator[Carried]]
    model: Model | None = None
    protocol: Protocol | None = None

    def facts(self) -> dict:
        """Return what identifies the method in ``results.json``."""
        facts = {"name": self.name, "protocol": self.protocol and self.protocol.name, "model": None}
        if self.model is not None:
            facts["model"] = {"network": self.model.name, "fingerprint": self.model.fingerprint(), "temperature": self.model.temperature}
            facts["settings"] = json.loads(json.dumps(dataclasses.asdict(self.protocol)))
        return facts


def model_method(name: str, model: Model, protocol: Protocol) -> Method:
    """Make the method that uses a network, or raw features, behind the pointer."""

    def run(frames, mask=None, xy=None, colors=None):
        return carry(frames, mask, xy, colors, model=model, protocol=protocol)

    return Method(name, run, model, protocol)


def find_method(model: str | None, baseline: str | None, protocol: Protocol, device: torch.device | str = "cpu") -> Method:
    """Return the method that ``--model`` or ``--baseline`` names.

    Raises:
        ModelError, TinytrackError: if there is no such model or baseline.
    """
    if baseline in FOLLOWERS:
        follow = FOLLOWERS[baseline]
        return Method(baseline, lambda frames, mask=None, xy=None, colors=None: follow(frames, mask, xy))
    if baseline is not None:
        return model_method(baseline, baseline_model(baseline, device), protocol)
    return model_method(Path(model).stem, load_model(model, device), protocol)


def run_name(dataset: Dataset, method: Method) -> str:
    """Return the folder name for one data set and one method, such as "davis2016-tiny-gray-modern"."""
    protocol = [method.protocol.name] if method.protocol else []
    return "-".join([f"{dataset.facts['name']}{dataset.facts.get('year', '')}", method.name, *protocol])
