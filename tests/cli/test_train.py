"""The options of ``tinytrack train`` are typed, complete, and never changed on the way."""

import dataclasses
import inspect

import pytest

from tinytrack.batches import ClipSource, Shots
from tinytrack.cli.parser import build_parser
from tinytrack.cli.train import TrainOptions
from tinytrack.recipe import PRESETS
from tinytrack.training.clip_stream import ClipStream


def options(*words):
    return TrainOptions.from_args(build_parser().parse_args(["train", *words]))


def test_every_argument_of_the_command_has_a_field():
    """An argument that is added to the parser only would be ignored without a word."""
    arguments = set(vars(build_parser().parse_args(["train", "clip.mp4"]))) - {"command"}
    assert arguments == {field.name for field in dataclasses.fields(TrainOptions)}


def test_options_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        options("clip.mp4").steps = 3


@pytest.mark.parametrize("preset", PRESETS)
def test_without_changes_the_recipe_is_the_preset(preset):
    assert options("clip.mp4", "--preset", preset).config == PRESETS[preset]


def test_changes_reach_the_recipe_and_the_command_line():
    chosen = options("videos/clip.mp4", "--steps", "7", "--batch", "2", "--clip-norm", "0.5", "--seed", "3")
    assert chosen.config == dataclasses.replace(PRESETS["tiny"], steps=7, batch=2, clip_norm=0.5, seed=3)
    expected = "python -m tinytrack train clip.mp4 --preset tiny --steps 7 --seed 3 --batch 2 --clip-norm 0.5"
    assert chosen.command_line() == expected, "without the folder, which is private"


@pytest.mark.parametrize("source", [Shots, ClipStream])
def test_both_sources_of_clips_follow_the_protocol(source):
    for name, method in vars(ClipSource).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            wanted = list(inspect.signature(method).parameters)
            assert list(inspect.signature(getattr(source, name)).parameters) == wanted, name
