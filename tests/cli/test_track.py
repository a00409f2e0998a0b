"""Test that decoding, tracking and drawing in parallel gives the same results as in sequence, and that a failure leaves no files."""

import dataclasses
import json
import threading

import numpy as np
import pytest
import torch

from tests.support.helpers import assert_one_sentence
from tinytrack.cli import track as jobs
from tinytrack.datasets.synth import moving_shapes
from tinytrack.errors import ModelError, OutputError
from tinytrack.io import atomic, results
from tinytrack.io.masks import write_mask
from tinytrack.io.video import open_video
from tinytrack.io.video_writer import write_video
from tinytrack.model import random_model
from tinytrack.propagate import MODERN

SMALL = dataclasses.replace(MODERN, size=48, radius=4, back=(1, 2))
JOBS = ("track", "pose", "colorize")


@pytest.fixture
def run(tmp_path, one_thread):
    """``run("track", model, "out")`` runs one job on a small video of 12 frames and returns its files as {name: bytes}."""
    scene = moving_shapes(0, frames=12, height=48, width=64)
    write_video(tmp_path / "clip.mp4", scene.frames, 10)
    write_mask(tmp_path / "mask.png", scene.masks[0])
    (tmp_path / "joints.json").write_text(json.dumps({"joints": {"a": np.clip(scene.joints[0, 0], 0, 47).tolist()}}))

    def job(what, model, out):
        video, out = open_video(tmp_path / "clip.mp4"), tmp_path / out
        if what == "track":
            jobs.track_video(video, tmp_path / "mask.png", model, out, SMALL)
        elif what == "pose":
            jobs.pose_video(video, tmp_path / "joints.json", model, out, SMALL)
        else:
            jobs.colorize_video(video, model, out, 5, SMALL)
        return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}

    return job


@pytest.mark.parametrize("what", JOBS)
def test_a_network_that_sees_colour_can_track_but_not_colorize(run, tmp_path, what):
    model = random_model("LabNet")
    if what != "colorize":
        assert "overlay.mp4" in run(what, model, "out")
        return
    model.net.register_forward_hook(lambda *_: pytest.fail("it worked"))
    with pytest.raises(ModelError) as error:
        run(what, model, "out")
    assert_one_sentence(error, "sees colour", "expected one that sees gray")
    assert not (tmp_path / "out").exists()


def ahead() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("prefetch")]


@pytest.mark.parametrize("what", JOBS)
def test_working_ahead_does_not_change_the_results(run, monkeypatch, what):
    model, write, drawn = random_model(), jobs.write_video, []

    def writing(path, frames, fps, **options):
        drawn.append([])
        return write(path, (drawn[-1].append(frame) or frame for frame in frames), fps, **options)

    monkeypatch.setattr(jobs, "write_video", writing)  # compare frames, because the encoder's bytes differ between runs
    at_once = run(what, model, "at once")
    assert not ahead(), "all threads must end with the job"
    monkeypatch.setattr(jobs, "prefetch", lambda items: items)
    in_turn = run(what, model, "in turn")
    np.testing.assert_array_equal(*drawn)
    assert list(at_once) == list(in_turn)
    assert all(at_once[name] == in_turn[name] for name in at_once if not name.endswith((".mp4", results.LIST)))


@pytest.mark.parametrize("what", JOBS)
def test_the_network_runs_in_a_separate_thread_without_gradients(run, what):
    """Inference mode is set per thread. Without it, every frame would keep the autograd graph of the frames before it."""
    model = random_model()
    seen = []
    model.net.register_forward_hook(
        lambda net, given, f: seen.append((torch.is_inference_mode_enabled(), f.requires_grad, threading.current_thread().name[:8]))
    )
    run(what, model, "out")
    assert len(seen) >= 12
    assert all(mode and not graph for mode, graph, _ in seen)
    assert [name for _, _, name in seen[-6:]] == ["prefetch"] * 6


@pytest.mark.parametrize("what", JOBS)
@pytest.mark.parametrize("error", [RuntimeError("no memory"), KeyboardInterrupt()])
def test_an_error_in_the_thread_ends_the_job_and_leaves_no_files(run, tmp_path, what, error):
    model = random_model()
    calls = []

    def fail(net, given, f):
        calls.append(1)
        if len(calls) == 9:
            raise error

    model.net.register_forward_hook(fail)
    with pytest.raises(type(error)) as raised:
        run(what, model, "out")
    assert raised.value is error
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "joints.json", "mask.png"]
    assert len(calls) == 9, "no further frame may be processed"


@pytest.mark.parametrize("what", JOBS)
def test_an_error_while_drawing_stops_the_tracking(run, tmp_path, monkeypatch, what):
    """If the disk is full, for example, the tracking thread must not continue to the end of the video."""

    model, calls = random_model(), []
    model.net.register_forward_hook(lambda *_: calls.append(1))

    def full(frames):
        next(iter(frames))
        raise OSError(28, "No space left on device")

    def writing(path, frames, fps, **options):
        with atomic.staged_file(path):
            full(frames)

    monkeypatch.setattr(jobs, "write_video", writing)
    with pytest.raises(OutputError, match="the disk is full"):
        run(what, model, "out")
    assert not (tmp_path / "out").exists()
    assert len(calls) <= 6 + 4, "only the frames behind the reference and a few frames ahead may be processed"
