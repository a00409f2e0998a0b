"""Long runs: checkpoints, interruptions, micro-batches and precision. Runs are reproducible, and interruptions do no harm."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.support.helpers import assert_one_sentence
from tinytrack.batches import sample_clips
from tinytrack.datasets.synth import moving_shapes
from tinytrack.errors import ModelError, TinytrackError, VideoError
from tinytrack.io.video import Video
from tinytrack.io.video_writer import write_video
from tinytrack.model import load_model
from tinytrack.recipe import LAB, TINY
from tinytrack.training import checkpoint
from tinytrack.training.checkpoint import checkpoint_path
from tinytrack.training.fit import fit
from tinytrack.training.parallel import ParallelTrainer
from tinytrack.training.sources import load_shots

FAST = dataclasses.replace(TINY, height=48, crop=32, batch=2, steps=6, warmup=2)
FAST_LAB = dataclasses.replace(FAST, network=LAB.network, width=16, dim=8)
CONTROL = dataclasses.replace(FAST, task="classify")


@pytest.fixture(scope="module")
def shots():
    return [moving_shapes(seed, frames=9, height=48, width=64).frames for seed in (0, 1)]


def saved(trainer, path):
    """Write a trainer's checkpoint to a path."""
    torch.save(checkpoint.capture(trainer), path)


def test_equal_seeds_give_equal_weights(shots, one_thread):
    a, b = (fit(shots, FAST, progress=False) for _ in range(2))
    assert a.fingerprint() == b.fingerprint()
    assert a.fingerprint() != fit(shots, dataclasses.replace(FAST, seed=1), progress=False).fingerprint()


@pytest.mark.parametrize("stop", [1, 3, 5])
@pytest.mark.parametrize("config", [FAST, FAST_LAB], ids=["gray", "lab"])
def test_a_stopped_run_continues_to_the_same_weights(shots, one_thread, tmp_path, stop, config):
    whole = fit(shots, config, progress=False)
    out = tmp_path / "m.pt"

    def interrupt(trainer, loss):
        if trainer.count == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(shots, config, out=out, progress=False, on_step=interrupt)
    assert [p.name for p in tmp_path.iterdir()] == [checkpoint_path(out).name]
    torch.rand(7)  # other uses of the global generator in between must not matter
    again = fit(shots, config, out=out, resume=True, progress=False)
    assert again.fingerprint() == whole.fingerprint()
    assert again.card["steps"] == config.steps
    assert again.card["loss"] == whole.card["loss"]
    assert [p.name for p in tmp_path.iterdir()] == ["m.pt"]
    assert load_model(out).fingerprint() == whole.fingerprint()


def test_a_killed_run_resumes_from_its_last_checkpoint(shots, one_thread, tmp_path):
    """A run that is killed without saving resumes from its last periodic checkpoint and reaches the same weights."""
    out = tmp_path / "m.pt"

    def die(trainer, loss):
        if trainer.count == 4:
            raise SystemExit

    with pytest.raises(SystemExit):
        fit(shots, FAST, out=out, progress=False, save_every=0, on_step=die)
    assert fit(shots, FAST, out=out, resume=True, progress=False).fingerprint() == fit(shots, FAST, progress=False).fingerprint()


def test_resuming_without_a_matching_checkpoint_is_refused(shots, tmp_path):
    out = tmp_path / "m.pt"
    with pytest.raises(TinytrackError, match="nothing to resume"):
        fit(shots, FAST, out=out, resume=True, progress=False)
    trainer = ParallelTrainer(shots, FAST)
    saved(trainer, checkpoint_path(out))
    with pytest.raises(ModelError, match="another recipe .*temperature"):
        fit(shots, dataclasses.replace(FAST, temperature=0.5), out=out, resume=True, progress=False)
    with pytest.raises(ModelError, match="other videos"):
        fit(shots[:1], FAST, out=out, resume=True, progress=False)
    checkpoint_path(out).write_bytes(b"junk")
    with pytest.raises(ModelError, match="cannot be resumed"):
        fit(shots, FAST, out=out, resume=True, progress=False)


def test_a_resumed_run_may_have_more_steps(shots, tmp_path):
    out = tmp_path / "m.pt"
    trainer = ParallelTrainer(shots, FAST)
    trainer.step()
    saved(trainer, checkpoint_path(out))
    model = fit(shots, dataclasses.replace(FAST, steps=8), out=out, resume=True, progress=False)
    assert model.card["steps"] == 8


def test_a_time_limit_in_minutes_ends_a_run(shots):
    model = fit(shots, FAST, minutes=0.02, progress=False)
    assert model.card["steps"] >= 1
    assert model.card["minutes"] >= 0.02


def test_the_card_records_how_the_weights_were_trained(shots):
    model = fit(shots, FAST, progress=False, card={"sources": ["synth"]})
    assert model.card["steps"] == 6
    assert len(model.card["loss"]) == 6
    assert model.card["sources"] == ["synth"]
    assert model.card["config"]["temperature"] == model.temperature == FAST.temperature
    assert not model.net.training
    assert len(model.palette) == 16


def test_videos_are_split_at_their_cuts_and_scaled(tmp_path):
    a, b = (moving_shapes(seed, frames=6, height=96, width=128).frames for seed in (0, 7))
    write_video(tmp_path / "two.mp4", np.concatenate([a, 255 - b]), 24)
    shots = load_shots([Video(tmp_path / "two.mp4")], FAST)
    assert [s.shape for s in shots] == [(6, 48, 64, 3)] * 2


def test_videos_that_cannot_be_used_for_training_are_refused(tmp_path, shots):
    write_video(tmp_path / "one.mp4", shots[0][:1], 24)
    with pytest.raises(VideoError, match="no shot of two or more frames"):
        load_shots([Video(tmp_path / "one.mp4")], FAST)
    write_video(tmp_path / "many.mp4", shots[0], 24)
    with pytest.raises(VideoError, match="more than 0.01 MB"):
        load_shots([Video(tmp_path / "many.mp4")], FAST, megabytes=0.01)
    with pytest.raises(VideoError, match="at least 32 pixels"):
        ParallelTrainer([shots[0][:, :20]], FAST)


@pytest.mark.parametrize("stop", [1, 4])
def test_a_stopped_control_continues_to_the_same_weights_and_prototypes(shots, one_thread, tmp_path, stop):
    trainers = []

    def watch(trainer, loss):
        trainers.append(trainer)

    def interrupt(trainer, loss):
        if trainer.count == stop:
            raise KeyboardInterrupt

    whole = fit(shots, CONTROL, progress=False, on_step=watch)
    out = tmp_path / "m.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(shots, CONTROL, out=out, progress=False, on_step=interrupt)
    again = fit(shots, CONTROL, out=out, resume=True, progress=False, on_step=watch)
    assert again.fingerprint() == whole.fingerprint() == load_model(out).fingerprint()
    assert torch.equal(trainers[0].prototypes, trainers[-1].prototypes)
    assert trainers[0] is not trainers[-1]
    assert again.fingerprint() != fit(shots, FAST, progress=False).fingerprint()
    assert again.card["config"]["task"] == "classify"


def test_a_run_with_another_task_is_not_resumed(shots, tmp_path):
    for mine, other in ((FAST, CONTROL), (CONTROL, FAST)):
        saved(ParallelTrainer(shots, mine), checkpoint_path(tmp_path / "m.pt"))
        with pytest.raises(ModelError, match="task"):
            fit(shots, other, out=tmp_path / "m.pt", resume=True, progress=False)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


EXPECTED = ["step000000.pt", "step000001.pt", "step000003.pt", "step000006.pt"]


@pytest.mark.parametrize("config", [FAST, CONTROL], ids=["copy", "classify"])
def test_checkpoints_hold_the_model_of_their_step(shots, one_thread, tmp_path, config):
    seen = {0: ParallelTrainer(shots, config).model().fingerprint()}

    def watch(trainer, loss):
        seen[trainer.count] = trainer.model().fingerprint()

    final = fit(shots, config, progress=False, on_step=watch, checkpoints=tmp_path / "steps", card={"sources": ["synth"]})
    assert names(tmp_path / "steps") == EXPECTED
    assert len(set(seen.values())) == 7
    for name in EXPECTED:
        kept = load_model(tmp_path / "steps" / name)
        step = int(name[4:10])
        assert kept.fingerprint() == seen[step]
        assert kept.card["steps"] == step == len(kept.card["loss"])
        assert kept.card["sources"] == ["synth"]
    assert kept.fingerprint() == final.fingerprint() == fit(shots, config, progress=False).fingerprint()  # saving changes nothing


@pytest.mark.parametrize("stop", [1, 2, 5])
def test_a_resumed_run_keeps_the_same_checkpoints_as_an_uninterrupted_one(shots, one_thread, tmp_path, stop):
    fit(shots, FAST, progress=False, checkpoints=tmp_path / "whole")

    def interrupt(trainer, loss):
        if trainer.count == stop:
            raise KeyboardInterrupt

    folder = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        fit(shots, FAST, out=tmp_path / "m.pt", progress=False, on_step=interrupt, checkpoints=folder)
    assert names(folder) == [name for name in EXPECTED if int(name[4:10]) <= stop]
    early = {p.name: p.stat().st_ino for p in folder.iterdir() if int(p.name[4:10]) < stop}
    fit(shots, FAST, out=tmp_path / "m.pt", resume=True, progress=False, checkpoints=folder)
    assert names(folder) == EXPECTED
    for name in EXPECTED:
        assert load_model(folder / name).fingerprint() == load_model(tmp_path / "whole" / name).fingerprint()
    assert all((folder / name).stat().st_ino == number for name, number in early.items())  # earlier checkpoints were not written again


def test_no_checkpoints_are_kept_unless_requested(shots, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit(shots, dataclasses.replace(FAST, steps=1), progress=False)
    assert not list(tmp_path.iterdir())


def gradient_of(trainer):
    return torch.cat([p.grad.flatten() for p in trainer.trained])


@pytest.mark.parametrize("recipe", [FAST, FAST_LAB], ids=["gray", "lab"])
def test_the_gradient_of_two_micro_batches_equals_that_of_the_whole_batch(shots, recipe):
    config = dataclasses.replace(recipe, batch=4, accumulate=2)
    trainer = ParallelTrainer(shots, config)
    trainer.net.eval()  # so that batch normalisation does not depend on the micro-batch
    value = trainer.backward()
    found = gradient_of(trainer)
    whole = ParallelTrainer(shots, dataclasses.replace(config, accumulate=1))
    whole.net.eval()
    assert value == pytest.approx(whole.backward(), rel=1e-5)
    torch.testing.assert_close(found, gradient_of(whole), rtol=1e-3, atol=1e-5)
    pictures = [trainer.batch(part)[0] for part in trainer.clips().chunk(2)]
    assert torch.equal(torch.cat(pictures), whole.batch()[0])
    assert not torch.equal(*pictures)


def test_only_the_network_computes_in_bfloat16(shots, device):
    exact, half = (ParallelTrainer(shots, FAST, device=device, bf16=bf16) for bf16 in (False, True))
    seen = []
    half.net.register_forward_hook(lambda net, inputs, output: seen.append(output.dtype))
    for _ in range(3):
        a, b = exact.step(), half.step()
        assert a == pytest.approx(b, rel=0.05)
        assert a != b
    assert seen == [torch.bfloat16] * 3
    assert {p.dtype for p in half.trained} == {p.grad.dtype for p in half.trained} == {torch.float32}
    assert not ParallelTrainer(shots, FAST).bf16, "on a CPU, bfloat16 must be off by default"


def test_a_compiled_network_trains_the_same_and_keeps_its_parameter_names(shots, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **options: compiled.append(self))
    trainer = ParallelTrainer(shots, FAST, compiled=True)
    assert compiled == [trainer.net]
    monkeypatch.undo()
    net = trainer.net
    net.compile(backend="eager")  # skips only the generation of machine code, which takes a minute
    plain = ParallelTrainer(shots, FAST)
    assert [trainer.step() for _ in range(2)] == pytest.approx([plain.step() for _ in range(2)], rel=1e-4)
    assert trainer.model().net.state_dict().keys() == plain.net.state_dict().keys()


def test_prefetched_clips_belong_to_the_next_step(shots, device):
    """A GPU receives the clips of the next step during the current one; on every device, each step must get its own clips."""
    trainer = ParallelTrainer(shots, FAST, device=device)
    for step in range(3):
        assert torch.equal(trainer.clips().cpu(), torch.from_numpy(sample_clips(shots, FAST, step)))
        trainer.step()
    trainer.count = 1  # as after resuming
    assert torch.equal(trainer.clips().cpu(), torch.from_numpy(sample_clips(shots, FAST, 1)))


def test_a_batch_that_cannot_be_divided_evenly_is_refused(shots):
    with pytest.raises(TinytrackError) as error:
        ParallelTrainer(shots, dataclasses.replace(FAST, batch=3, accumulate=2)).step()
    assert_one_sentence(error, "3 clips", "--accumulate (2)", "a multiple of 2")


def test_videos_can_be_loaded_at_fewer_frames_per_second(make_video):
    shots = load_shots([Video(make_video("v.mp4", frames=30, fps=30))], dataclasses.replace(FAST, fps=6, height=32))
    assert sum(len(s) for s in shots) == 6
