"""The shipped weights track real video: the clip that is installed by pip, and DAVIS val if it is available."""

import itertools
import os
from dataclasses import replace

import numpy as np
import pytest

from tinytrack.color import frames_to_lab
from tinytrack.datasets.clips import CLIPS, open_clip
from tinytrack.datasets.davis import Davis
from tinytrack.evaluation.metrics import color_error, pck, region_j
from tinytrack.io.masks import read_mask
from tinytrack.io.paths import DATA
from tinytrack.model import load_model, random_model
from tinytrack.propagate import MODERN
from tinytrack.track import colorize, track_joints, track_masks

QUICK = replace(MODERN, size=160, back=(1, 2, 3, 4))  # smaller than the named protocol, so that the tests take seconds


@pytest.fixture(scope="module", params=["tiny-gray", "tiny-lab"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    return load_model(name)


def untrained(model):
    """The control: the same kind of network with random weights."""
    return random_model(model.name)


@pytest.fixture(scope="module")
def carphone():
    return open_clip("carphone").read(max_frames=41)


def test_the_card_records_how_the_weights_were_trained(name, model):
    assert model.name == ("TinyNet" if name == "tiny-gray" else "LabNet")
    assert os.path.getsize(DATA / f"{name}.pt") < 1.5e6
    assert len(model.palette) == 16
    assert model.card["sources"] == ["davis"]
    assert model.card["shots"] == 30
    assert model.card["frames"] == 2079
    assert model.card["steps"] == model.card["config"]["steps"]
    text = (DATA / f"{name}.md").read_text()
    assert model.fingerprint() in text
    assert model.card["command"] in text


def test_masks_stay_on_head_tie_blind_and_suit(model, carphone):
    clip = CLIPS["carphone"]
    mask = read_mask(clip.masks[0])
    tracked = list(track_masks(carphone, mask, model, QUICK))
    at_random = list(track_masks(carphone, mask, untrained(model), QUICK))
    for n, what in enumerate(clip.objects, start=1):
        j, still, random = (
            np.mean([region_j(masks[t] == n, read_mask(clip.masks[t]) == n) for t in (20, 40)])
            for masks in (tracked, [mask] * 41, at_random)
        )
        assert j > 0.7, what
        # On this clip, random filters of colours track as well as trained ones, and the small bow tie even better (by 0.07).
        behind = 0.1 if what == "bow tie" else 0.05
        assert j > random + (-behind if model.sees_color else 0.02), what
        if what != "window blind":  # the blind hardly moves, so an unchanged mask is nearly right
            assert j > still + 0.05, what


def test_joints_stay_on_the_face(model, carphone):
    clip = CLIPS["carphone"]
    joints = clip.joints()
    tracked = list(track_joints(carphone, joints.xy, model, QUICK))
    frames = [t for t in clip.joint_truth() if t <= 40]
    ours, still = (
        np.nanmean([pck(xy[t], clip.joint_truth()[t], 0.1) for t in frames]) for xy in ([xy for xy, _ in tracked], [joints.xy] * 41)
    )
    assert ours > 0.85
    assert ours > still + 0.3


def test_the_bow_tie_stays_red(carphone):
    clip = CLIPS["carphone"]
    colored = list(colorize(carphone, load_model("tiny-gray"), QUICK))
    tie = read_mask(clip.masks[40]) == 2
    redness, truth = (frames_to_lab(frame)[1].numpy()[tie].mean() for frame in (colored[40], carphone[40]))
    assert redness > 0.5 * truth > 8  # a of Lab; gray is 0
    held = np.mean([color_error(carphone[0], frame) for frame in carphone[1:]])
    assert np.mean([color_error(c, f) for c, f in zip(colored[1:], carphone[1:], strict=True)]) < held


@pytest.mark.parametrize("name,sequence", [("tiny-gray", "blackswan"), ("tiny-gray", "libby"), ("tiny-lab", "libby")])
def test_masks_are_tracked_on_sequences_that_were_not_trained_on(davis_root, name, sequence):
    davis, model = Davis(davis_root), load_model(name)
    assert sequence in davis.sequences("val")
    frames = 16
    masks = list(itertools.islice(davis.masks(sequence), frames))
    video = davis.video(sequence)
    ours, random = (
        np.mean([region_j(p, t) for p, t in zip(track_masks(video.frames(max_frames=frames), masks[0], m, QUICK), masks, strict=True)][1:])
        for m in (model, untrained(model))
    )
    still = np.mean([region_j(masks[0], t) for t in masks[1:]])
    assert ours > still + 0.1
    assert ours > random + 0.05
