"""Checkpoints on disk: no fault loses a checkpoint that was saved, and the error message says what to do next."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.support.helpers import assert_one_sentence
from tinytrack import recipe
from tinytrack.datasets.synth import moving_shapes
from tinytrack.errors import ModelError, OutputError, TinytrackError
from tinytrack.io import atomic as files
from tinytrack.model import load_model, random_model
from tinytrack.recipe import TINY
from tinytrack.training import checkpoint
from tinytrack.training.checkpoint import checkpoint_path, locked, previous_path
from tinytrack.training.fit import fit

FAST = dataclasses.replace(TINY, height=32, crop=24, jitter=4, batch=2, steps=6, warmup=2)


@pytest.fixture(scope="module")
def shots():
    return [moving_shapes(0, frames=9, height=40, width=48).frames]


@pytest.fixture(scope="module")
def whole(shots):
    """The fingerprint of the weights of an uninterrupted run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield fit(shots, FAST, progress=False).fingerprint()
    torch.set_num_threads(threads)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


class Killed(BaseException):
    """Ends a run without a final save, because fit saves only on Ctrl-C."""


def stopped_at(shots, out, step, error=Killed):
    """Run with a checkpoint after every step, and end the run within step ``step`` + 1 without a final save."""

    def stop(trainer, loss):
        if trainer.count == step + 1:
            raise error

    with pytest.raises(error):
        fit(shots, FAST, out=out, progress=False, save_every=0, on_step=stop)


def resumed(shots, out):
    return fit(shots, FAST, out=out, resume=True, progress=False).fingerprint()


def count_in(path):
    return torch.load(path, weights_only=True)["count"]


def test_the_last_two_checkpoints_are_kept(shots, whole, tmp_path):
    stopped_at(shots, tmp_path / "m.pt", 3)
    assert names(tmp_path) == ["m.unfinished.old.pt", "m.unfinished.pt"]
    assert (count_in(checkpoint_path(tmp_path / "m.pt")), count_in(previous_path(tmp_path / "m.pt"))) == (3, 2)
    assert resumed(shots, tmp_path / "m.pt") == whole
    assert names(tmp_path) == ["m.pt"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_checkpoint_is_replaced_by_the_previous_one(shots, whole, tmp_path, capfd, share):
    out = tmp_path / "m.pt"
    stopped_at(shots, out, 3)
    content = checkpoint_path(out).read_bytes()
    checkpoint_path(out).write_bytes(content[: int(share * len(content))])
    assert resumed(shots, out) == whole
    said = [line for line in capfd.readouterr().err.splitlines() if "damaged" in line]
    assert len(said) == 1
    assert "m.unfinished.pt" in said[0]
    assert "step 2" in said[0]
    assert names(tmp_path) == ["m.pt"]


def test_a_damaged_checkpoint_never_overwrites_the_intact_previous_one(shots, whole, tmp_path, monkeypatch):
    """The run resumes from the older checkpoint and saves again; an intact checkpoint must exist at every moment."""
    out, replace = tmp_path / "m.pt", Path.replace
    stopped_at(shots, out, 3)
    checkpoint_path(out).write_bytes(checkpoint_path(out).read_bytes()[:1000])

    def die(self, target):
        if Path(target) == checkpoint_path(out):
            raise Killed
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(Killed):
            fit(shots, FAST, out=out, resume=True, progress=False, save_every=0)
    assert resumed(shots, out) == whole


def test_two_damaged_checkpoints_are_reported_in_one_sentence(shots, tmp_path):
    stopped_at(shots, tmp_path / "m.pt", 3)
    for path in checkpoint.existing(tmp_path / "m.pt"):
        path.write_bytes(path.read_bytes()[:1000])
    before = names(tmp_path)
    with pytest.raises(ModelError) as error:
        resumed(shots, tmp_path / "m.pt")
    assert_one_sentence(error, "cannot be resumed")
    assert names(tmp_path) == before


def test_another_recipe_is_refused_even_if_an_older_checkpoint_exists(shots, tmp_path):
    stopped_at(shots, tmp_path / "m.pt", 3)
    with pytest.raises(ModelError, match="seed"):
        fit(shots, dataclasses.replace(FAST, seed=5), out=tmp_path / "m.pt", resume=True, progress=False)
    assert count_in(checkpoint_path(tmp_path / "m.pt")) == 3


def test_other_videos_are_refused_even_if_the_older_checkpoint_would_fit(shots, tmp_path):
    out = tmp_path / "m.pt"
    stopped_at([255 - shots[0]], out, 3)
    checkpoint_path(out).replace(tmp_path / "newest")
    for path in checkpoint.existing(out):
        path.unlink()
    stopped_at(shots, out, 3)
    (tmp_path / "newest").replace(checkpoint_path(out))
    with pytest.raises(ModelError, match="other videos"):
        resumed(shots, out)
    assert (count_in(checkpoint_path(out)), count_in(previous_path(out))) == (3, 2)


def test_the_previous_checkpoint_remains_if_the_second_rename_fails(shots, whole, tmp_path, monkeypatch):
    """The first rename moves the last checkpoint to its old name, so no file has the current name if the second fails."""
    out, replace = tmp_path / "m.pt", Path.replace

    def refuse(self, target):
        if Path(target) == checkpoint_path(out) and previous_path(out).exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(OutputError) as error:
            fit(shots, FAST, out=out, progress=False, save_every=0)
    assert_one_sentence(error, previous_path(out), "--resume")
    assert names(tmp_path) == ["m.unfinished.old.pt"]
    assert count_in(previous_path(out)) == 1
    assert resumed(shots, out) == whole
    assert names(tmp_path) == ["m.pt"]


def full_disk(monkeypatch, from_write):
    """Simulate a full disk: call number ``from_write`` of fsync and all later ones fail."""
    calls, fsync = [], os.fsync

    def full(fd):
        calls.append(fd)
        if len(calls) >= from_write:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(fd)

    monkeypatch.setattr(files.os, "fsync", full)
    return calls


@pytest.mark.parametrize("write", [1, 2, 4, 7])
def test_a_full_disk_ends_the_run_and_keeps_the_saved_checkpoints(shots, whole, tmp_path, monkeypatch, write):
    """Writes 1 to 6 are the checkpoints of steps 1 to 6; write 7 saves the last one again before the model is written."""
    out = tmp_path / "m.pt"
    with monkeypatch.context() as patch:
        full_disk(patch, write)
        with pytest.raises(OutputError) as error:
            fit(shots, FAST, out=out, progress=False, save_every=0)
    kept = "nothing had been saved yet" if write == 1 else "--resume"
    assert_one_sentence(error, "the disk is full", "m.unfinished.pt", kept)
    expected = [] if write == 1 else ["m.unfinished.pt"] if write == 2 else ["m.unfinished.old.pt", "m.unfinished.pt"]
    assert names(tmp_path) == expected
    if write > 1:
        assert count_in(checkpoint_path(out)) == min(write - 1, 6)
        assert resumed(shots, out) == whole
        assert names(tmp_path) == ["m.pt"]


def test_a_disk_that_is_full_when_the_model_is_written_loses_nothing(shots, whole, tmp_path, monkeypatch):
    out = tmp_path / "m.pt"
    with monkeypatch.context() as patch:
        full_disk(patch, 2)  # write 1 is the checkpoint after the last step, write 2 is the model
        with pytest.raises(OutputError) as error:
            fit(shots, FAST, out=out, progress=False)
    assert_one_sentence(error, "m.pt", "the disk is full", "--resume")
    assert names(tmp_path) == ["m.unfinished.pt"]
    assert resumed(shots, out) == whole
    assert names(tmp_path) == ["m.pt"]


def test_a_full_disk_during_the_save_on_ctrl_c_is_reported(shots, tmp_path, monkeypatch):
    full_disk(monkeypatch, 1)

    def stop(trainer, loss):
        raise KeyboardInterrupt

    with pytest.raises(OutputError) as error:
        fit(shots, FAST, out=tmp_path / "m.pt", progress=False, on_step=stop)
    assert_one_sentence(error, "the disk is full", "nothing had been saved yet")


KILL = """
import os, signal, sys
from pathlib import Path
import torch
from tinytrack.training.fit import fit
sys.path.insert(0, {tests!r})
from tests.training.test_checkpoint import FAST, moving_shapes

torch.set_num_threads(1)
replace, seen = Path.replace, []

def deadly(self, target):
    seen.append(target)
    if len(seen) == {rename}:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)

Path.replace = deadly
fit([moving_shapes(0, frames=9, height=40, width=48).frames], FAST, out={out!r}, progress=False, save_every=0)
"""


@pytest.mark.parametrize("rename, left", [(1, []), (2, [1]), (3, [1]), (4, [2, 1])])
def test_a_run_killed_between_write_and_rename_can_be_resumed(shots, whole, tmp_path, rename, left):
    """Rename 1 creates the first checkpoint, 2 moves it to its old name, 3 creates the second and 4 moves the second."""
    out = tmp_path / "m.pt"
    code = KILL.format(rename=rename, out=str(out), tests=str(Path(__file__).resolve().parents[2]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert any(name.startswith(".unfinished-") for name in names(tmp_path)), "the run was killed too early or too late"
    assert [count_in(path) for path in checkpoint.existing(out)] == left
    if left:
        assert resumed(shots, out) == whole
    else:
        assert fit(shots, FAST, out=out, progress=False).fingerprint() == whole
    assert names(tmp_path) == ["m.pt"], "the half-written file of the killed run and its lock must be gone"


HOLD = """
import sys, time
from tinytrack.training.checkpoint import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_with_the_same_output_is_refused_and_changes_nothing(shots, whole, tmp_path):
    out = tmp_path / "m.pt"
    stopped_at(shots, out, 3)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        for resume in (False, True):
            with pytest.raises(OutputError) as error:
                fit(shots, FAST, out=out, resume=resume, progress=False)
            assert_one_sentence(error, "another run is training", "m.pt", "--out")
        fit(shots, dataclasses.replace(FAST, steps=1), out=tmp_path / "other.pt", progress=False)
    finally:
        process.kill()
        process.wait()
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert resumed(shots, out) == whole, "the lock of a killed process must not block the next run"
    assert names(tmp_path) == ["m.pt", "other.pt"]


def test_a_refused_second_run_does_not_disturb_the_first(shots, whole, tmp_path):
    out = tmp_path / "m.pt"
    refused = []

    def intrude(trainer, loss):
        with pytest.raises(OutputError, match="another run is training"):
            fit(shots, FAST, out=out, resume=trainer.count % 2 == 1, progress=False)
        refused.append(trainer.count)

    assert fit(shots, FAST, out=out, progress=False, save_every=0, on_step=intrude).fingerprint() == whole
    assert refused == [1, 2, 3, 4, 5, 6]
    assert names(tmp_path) == ["m.pt"]


def test_an_interrupted_run_is_not_overwritten_by_a_new_one(shots, tmp_path):
    out = tmp_path / "m.pt"
    stopped_at(shots, out, 3)
    with pytest.raises(TinytrackError) as error:
        fit(shots, FAST, out=out, progress=False)
    assert_one_sentence(error, "m.unfinished.pt", "--resume", "delete it", "--out")
    assert count_in(checkpoint_path(out)) == 3
    checkpoint_path(out).unlink()
    with pytest.raises(TinytrackError, match="m.unfinished.old.pt"):
        fit(shots, FAST, out=out, progress=False)


def test_the_output_is_free_again_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "m.pt"):
        raise ZeroDivisionError
    with locked(tmp_path / "m.pt"):
        pass
    assert names(tmp_path) == []


def test_folders_created_for_a_failed_run_are_removed(shots, tmp_path):
    with pytest.raises(TinytrackError, match="nothing to resume"):
        resumed(shots, tmp_path / "new" / "deep" / "m.pt")
    assert names(tmp_path) == []


@pytest.mark.parametrize("below", ["m.pt", "deep/m.pt"])
def test_an_output_that_cannot_be_written_is_refused_before_training(shots, tmp_path, below):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError) as error:
        fit(shots, FAST, out=tmp_path / "file" / below, progress=False, on_step=lambda *_: pytest.fail("it trains"))
    assert_one_sentence(error, "cannot write", tmp_path / "file" / below)
    assert names(tmp_path) == ["file"]


def test_a_run_that_cannot_write_model_checkpoints_ends_and_can_be_resumed(shots, whole, tmp_path):
    out, folder = tmp_path / "m.pt", tmp_path / "steps"

    def spoil(trainer, loss):
        if trainer.count == 2:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
            folder.write_text("in the way")

    with pytest.raises(OutputError) as error:
        fit(shots, FAST, out=out, progress=False, save_every=0, on_step=spoil, checkpoints=folder)
    assert_one_sentence(error, folder, checkpoint_path(out), "--resume")
    assert count_in(checkpoint_path(out)) == 2
    assert resumed(shots, out) == whole


def test_outputs_that_differ_only_in_their_suffix_are_separate_runs(shots, whole, tmp_path):
    stopped_at(shots, tmp_path / "m.pt", 3)
    with pytest.raises(TinytrackError, match="nothing to resume"):
        resumed(shots, tmp_path / "m.pth")
    stopped_at(shots, tmp_path / "m.pth", 2)
    assert [count_in(checkpoint_path(tmp_path / name)) for name in ("m.pt", "m.pth")] == [3, 2]
    assert resumed(shots, tmp_path / "m.pt") == resumed(shots, tmp_path / "m.pth") == whole
    assert names(tmp_path) == ["m.pt", "m.pth"]


def test_the_length_of_an_unfinished_run_is_read_from_its_checkpoints(shots, tmp_path):
    out = tmp_path / "m.pt"
    assert checkpoint.run_length(out) is None
    stopped_at(shots, out, 3)
    assert checkpoint.run_length(out) == (FAST.steps, None)
    checkpoint_path(out).write_bytes(checkpoint_path(out).read_bytes()[:1000])
    assert checkpoint.run_length(out) == (FAST.steps, None), "the length must come from the previous checkpoint"
    previous_path(out).write_bytes(b"junk")
    assert checkpoint.run_length(out) is None


def test_unrelated_files_next_to_the_output_are_not_removed(shots, tmp_path):
    beside = [
        ".unfinished-1-other.pt",
        ".unfinished-1-m.pt",
        ".unfinished-notes.txt",
        "m.txt",
        "other.unfinished.pt",
        "other.unfinished.lock",
    ]
    for name in beside:
        (tmp_path / name).touch()
    fit(shots, FAST, out=tmp_path / "m.pt", progress=False)
    assert names(tmp_path) == sorted([*beside, "m.pt"])


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("kind", ["text", "empty", "truncated", "tensors", "list", "link", "broken link"])
def test_a_file_that_training_did_not_write_is_not_replaced(shots, tmp_path, kind, resume):
    out = tmp_path / "m.pt"
    if resume:
        stopped_at(shots, out, 2)
    (tmp_path / "elsewhere").mkdir()
    good = tmp_path / "elsewhere" / "good.pt"
    random_model().save(good)
    if kind == "tensors":
        torch.save({"weights": torch.ones(3)}, out)
    elif kind == "list":
        torch.save([1, 2], out)
    elif "link" in kind:
        out.symlink_to(good if kind == "link" else tmp_path / "elsewhere" / "gone.pt")
    else:
        out.write_bytes({"text": b"mine", "empty": b"", "truncated": good.read_bytes()[:-100]}[kind])
    before, was = names(tmp_path), os.readlink(out) if out.is_symlink() else out.read_bytes()
    with pytest.raises(OutputError) as error:
        fit(shots, FAST, out=out, resume=resume, progress=False)
    assert_one_sentence(error, out, "is a link" if "link" in kind else "is not a weights file", "--out")
    assert (os.readlink(out) if out.is_symlink() else out.read_bytes()) == was
    assert names(tmp_path) == before
    assert os.listdir(tmp_path / "elsewhere") == ["good.pt"]


@pytest.fixture
def quick(monkeypatch, one_thread):
    """Make the preset tiny."""
    monkeypatch.setitem(recipe.PRESETS, "tiny", dataclasses.replace(TINY, height=32, crop=32, batch=1, steps=2))


def refuse_to_train(cli, here, line, *parts):
    """Check that a command is refused before anything is read or written."""
    before = {p: p.read_bytes() for p in here.rglob("*") if p.is_file()}
    result = cli("train", *line.split())
    assert result.status == 2, result.err
    assert_one_sentence(result.said[0], *parts)
    assert "reading" not in result.out
    assert {p: p.read_bytes() for p in here.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("name", ["clip.mp4", "notes.txt", "new.pt"])
def test_the_command_train_replaces_neither_inputs_nor_foreign_files(cli, here, make_video, quick, name):
    make_video("here/clip.mp4", frames=12)
    for other in ("notes.txt", "new.pt"):
        (here / other).write_text("mine")
    words = "would replace the input" if name == "clip.mp4" else "is not a weights file"
    refuse_to_train(cli, here, f"clip.mp4 --out {name}", f"'{name}'", words, "--out")
    refuse_to_train(cli, here, f"./clip.mp4 --out ../here/{name}", f"'../here/{name}'", words)


def test_the_models_that_are_kept_on_the_way_replace_only_models(cli, here, make_video, quick):
    make_video("here/clip.mp4", frames=12)
    (here / "kept").mkdir()
    for name in ("step000003.pt", "step000001.pt.txt", "notes.txt"):
        (here / "kept" / name).write_text("mine")
    for _ in range(2):
        assert cli(*"train clip.mp4 --out m.pt --checkpoints kept".split()).status == 0
    assert names(here / "kept") == ["notes.txt", "step000000.pt", "step000001.pt", "step000001.pt.txt", "step000002.pt", "step000003.pt"]
    (here / "kept" / "step000001.pt").write_text("mine")
    for more in ("", " --minutes 1"):
        refuse_to_train(cli, here, "clip.mp4 --out m.pt --checkpoints kept" + more, "'kept/step000001.pt'", "--checkpoints")
    assert (here / "kept" / "step000003.pt").read_text() == "mine"


def test_a_users_file_with_the_name_of_the_lock_is_kept(shots, tmp_path):
    lock = tmp_path / "m.unfinished.lock"
    lock.write_text("mine")
    with pytest.raises(OutputError) as error:
        fit(shots, FAST, out=tmp_path / "m.pt", progress=False)
    assert_one_sentence(error, lock)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"m.unfinished.lock": "mine"}
    lock.write_text("")  # as a killed run leaves it
    fit(shots, FAST, out=tmp_path / "m.pt", progress=False)
    assert names(tmp_path) == ["m.pt"]


def test_resuming_a_finished_model_is_refused(shots, tmp_path):
    fit(shots, FAST, out=tmp_path / "m.pt", progress=False)
    weights = load_model(tmp_path / "m.pt").fingerprint()
    with pytest.raises(TinytrackError, match="'.*m.pt' is finished"):
        resumed(shots, tmp_path / "m.pt")
    assert load_model(tmp_path / "m.pt").fingerprint() == weights
