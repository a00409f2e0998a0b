"""Weights files: they are saved atomically, loaded without running code, and other files are refused with a clear message."""

import dataclasses
import os
import pickle

import pytest
import torch

from tinytrack.embed import LabNet, PaperNet, TinyNet
from tinytrack.errors import ModelError, OutputError
from tinytrack.model import FORMAT, load_model, random_model


def test_saving_and_loading_keeps_the_model(tmp_path, device):
    model = random_model("TinyNet", seed=3, device=device)
    model.card = {"sources": ["here"], "steps": 5, "loss": [1.0, 0.5]}
    model.save(tmp_path / "m.pt")
    again = load_model(tmp_path / "m.pt", device)
    assert again.fingerprint() == model.fingerprint()
    assert again.card == model.card
    assert again.temperature == model.temperature
    assert torch.equal(again.palette.centers, model.palette.centers)
    assert not again.net.training
    assert again.device.type == torch.device(device).type
    gray = torch.rand(1, 1, 32, 32, device=device)
    assert torch.equal(again.net(gray), model.net(gray))
    assert [p.name for p in tmp_path.iterdir()] == ["m.pt"]


def test_saving_and_loading_keeps_the_colour_channels(tmp_path, device):
    model = random_model("LabNet", seed=3, device=device)
    model.save(tmp_path / "m.pt")
    again = load_model(tmp_path / "m.pt", device)
    assert again.sees_color
    assert again.net.channels == 3
    assert again.fingerprint() == model.fingerprint()
    lab = torch.rand(1, 3, 32, 32, device=device)
    assert torch.equal(again.net(lab), model.net(lab))
    assert not random_model().sees_color
    assert random_model().fingerprint() != random_model("LabNet").fingerprint()


def test_a_file_without_channels_loads_as_a_grayscale_network(tmp_path):
    old = content()
    assert "channels" not in old
    torch.save(old, tmp_path / "old.pt")
    model = load_model(tmp_path / "old.pt")
    assert model.net.channels == 1
    assert not model.sees_color
    assert model.fingerprint() == random_model().fingerprint()


@pytest.mark.parametrize("channels", [1, 3])
def test_files_of_the_first_versions_still_load(tmp_path, channels):
    """They say how many channels a TinyNet sees, and nothing about its width."""
    torch.save(content(channels=channels, weights=TinyNet(channels).state_dict()), tmp_path / "old.pt")
    model = load_model(tmp_path / "old.pt")
    assert model.net.channels == channels
    assert model.net(torch.rand(1, channels, 32, 32)).shape == (1, 64, 8, 8)


@pytest.mark.parametrize("network", [TinyNet, LabNet])
def test_files_that_do_not_say_how_many_blocks_they_have_hold_four(tmp_path, network):
    net = network(width=16, dim=8, dilations=(1, 2, 4, 1)).eval()
    shape = {name: value for name, value in net.shape.items() if name != "dilations"}
    torch.save(content(network=network.__name__, shape=shape, weights=net.state_dict()), tmp_path / "old.pt")
    again = load_model(tmp_path / "old.pt")
    picture = torch.rand(1, net.channels, 64, 64)
    with torch.no_grad():
        assert torch.equal(again.net(picture), net(picture))  # the numbers of the weights alone cannot tell one dilation from another


@pytest.mark.parametrize("network", [TinyNet, LabNet])
def test_a_network_of_another_shape_is_saved_with_its_shape(tmp_path, network):
    model = dataclasses.replace(random_model(), net=network(width=16, dim=8, dilations=(1, 3, 2)).eval())
    model.save(tmp_path / "m.pt")
    again = load_model(tmp_path / "m.pt")
    assert again.net.shape == model.net.shape
    assert again.net.shape["width"] == 16
    picture = torch.rand(1, again.net.channels, 64, 64)
    assert torch.equal(again.net(picture), model.net(picture))
    assert again.fingerprint() == model.fingerprint()


def test_the_fingerprint_changes_with_any_weight():
    a, b = random_model(seed=0), random_model(seed=0)
    assert a.fingerprint() == b.fingerprint()
    b.net.head.bias.data[7] += 1e-6
    assert a.fingerprint() != b.fingerprint()
    assert random_model(seed=1).fingerprint() != a.fingerprint()


def test_random_models_leave_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    random_model(seed=9)
    assert torch.equal(torch.rand(3), expected)


class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


def test_loading_runs_no_code_from_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": FORMAT, "network": "TinyNet", "weights": Bomb()}, "bomb.pt")
    with pytest.raises(ModelError, match="cannot be read as a model"):
        load_model("bomb.pt")
    assert not (tmp_path / "exploded").exists()


def content(**changes) -> dict:
    model = random_model()
    good = {"format": FORMAT, "network": "TinyNet", "weights": model.net.state_dict(), "palette": torch.zeros(1, 2), "temperature": 0.07}
    return good | changes


def nan_weights() -> dict:
    weights = random_model().net.state_dict()
    weights["head.bias"][0] = float("nan")
    return weights


@pytest.mark.parametrize(
    "what,match",
    [
        (content(format="something else"), "not a tinytrack model"),
        ({"weights": torch.zeros(3)}, "not a tinytrack model"),
        (torch.zeros(3), "not a tinytrack model"),
        (content(network="BigNet"), "BigNet"),
        (content(network=["TinyNet"]), "expected one of"),
        (content(weights=PaperNet().state_dict()), "does not fit TinyNet"),
        (content(channels=3), "does not fit TinyNet"),
        (content(channels=7), "does not fit TinyNet"),
        (content(channels="x"), "does not fit TinyNet"),
        (content(channels=3.0), "does not fit TinyNet"),
        (content(channels=None), "does not fit TinyNet"),
        (content(shape={"width": 32}), "does not fit TinyNet"),
        (content(shape={"width": -1}), "does not fit TinyNet"),
        (content(shape={"colour": 3}), "does not fit TinyNet"),
        (content(shape=[64]), "does not fit TinyNet"),
        (content(network="PaperNet", shape={"width": 64}), "does not fit PaperNet"),
        (content(weights={}), "does not fit TinyNet"),
        (content(weights=None), "does not fit TinyNet"),
        (content(palette=None), "does not fit TinyNet"),
        (content(weights=nan_weights()), "not finite"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path, what, match):
    torch.save(what, tmp_path / "x.pt")
    with pytest.raises(ModelError, match=match) as caught:
        load_model(tmp_path / "x.pt")
    assert "\n" not in str(caught.value)
    assert "x.pt" in str(caught.value)


@pytest.mark.parametrize("junk", [b"", b"hello", pickle.dumps([1, 2]), bytes(range(256)) * 40])
def test_junk_is_refused(tmp_path, junk):
    (tmp_path / "junk.pt").write_bytes(junk)
    with pytest.raises(ModelError, match="junk.pt"):
        load_model(tmp_path / "junk.pt")


def test_the_error_names_a_missing_or_unknown_model(tmp_path):
    with pytest.raises(ModelError, match="no model 'huge'.*tiny"):
        load_model("huge")
    with pytest.raises(ModelError, match="unknown network 'Huge'"):
        random_model("Huge")
    random_model().save(tmp_path / "m.pt")
    with pytest.raises(ModelError, match="TinyNet: expected PaperNet"):
        load_model(tmp_path / "m.pt", network="PaperNet")


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    random_model(seed=1).save(tmp_path / "m.pt")
    before = (tmp_path / "m.pt").read_bytes()

    def full(fd):
        os.ftruncate(fd, 1000)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        random_model(seed=2).save(tmp_path / "m.pt")
    assert (tmp_path / "m.pt").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.pt"]
