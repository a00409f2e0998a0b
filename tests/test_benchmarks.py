"""The benchmarks run and say what they promise. No times are asserted: those depend on the machine and its other users."""

import contextlib
import dataclasses
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # they are run from the repository: python -m tests.benchmarks

from tests.benchmarks import __main__ as program  # noqa: E402
from tests.benchmarks import ablate, quietly, ratio, start, training, video, with_threads  # noqa: E402
from tinytrack.model import load_model  # noqa: E402
from tinytrack.recipe import TINY  # noqa: E402
from tinytrack.synth import moving_shapes  # noqa: E402
from tinytrack.track import MODERN  # noqa: E402
from tinytrack.video import read_video  # noqa: E402

PROMISED = {
    "propagate_speedup_s4", "propagate_speedup_s8", "propagate_memory_ratio_s4", "propagate_over_floor_s4",
    "train_share_of_bare", "fps_480p_s8", "import_over_torch",
}  # fmt: skip
SMALL = dataclasses.replace(MODERN, size=48, radius=4, back=(1, 2))


@pytest.fixture
def stubs(monkeypatch):
    """Each measurement replaced by one that gives all its keys at once; ``asked`` are the rounds it was asked for."""
    asked = {}
    for name in program.MODULES:
        module = importlib.import_module(f"tests.benchmarks.{name}")

        def measure(rounds="its own", name=name, keys=tuple(module.ABOUT)):
            asked[name] = rounds
            return dict.fromkeys(keys, 1.25)

        monkeypatch.setattr(module, "measure", measure)
    return asked


def test_the_table_and_the_file_hold_all_that_was_promised(stubs, tmp_path, capsys):
    program.main(["--json", str(tmp_path / "speed.json")])
    written = json.loads((tmp_path / "speed.json").read_text())
    assert set(written) >= PROMISED
    rows = [line.split("|")[1:4] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0].strip() for row in rows] == list(written)
    assert all(float(row[1]) == 1.25 for row in rows)
    goals = {row[0].strip(): row[2].strip() for row in rows}
    assert (goals["fps_480p_s8"], goals["train_share_of_bare"], goals["import_over_torch"]) == (">= 5", ">= 0.85", "<= 1.10")
    assert stubs == dict.fromkeys(program.MODULES, "its own")


def test_only_some_with_few_rounds(stubs, capsys):
    program.main(["--only", "start,training", "--rounds", "2"])
    assert stubs == {"start": 2, "training": 2}
    assert "fps_480p_s8" not in capsys.readouterr().out


@pytest.mark.parametrize("arguments, said", [(["--only", "tea"], "'tea'"), (["--rounds", "0"], "at least one round")])
def test_what_cannot_be_measured_is_refused(arguments, said, capsys):
    with pytest.raises(SystemExit):
        program.main(arguments)
    assert said in capsys.readouterr().err


def test_it_starts_from_the_repository():
    done = subprocess.run([sys.executable, "-m", "tests.benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "--only" in done.stdout, done.stderr


def test_a_video_is_measured_in_all_its_stages():
    """Every stage has taken some time, and all keys are there and positive: on a tiny made-up video."""
    values = video.measure(rounds=1, frames=4, size=(96, 128), protocol=SMALL)
    assert set(values) == set(video.ABOUT)
    assert all(value > 0 for value in values.values())


def test_the_stages_do_what_the_job_does(tmp_path):
    """The drawn video of the stages is the overlay of the job (but for the encoder, whose bytes differ from run to run)."""
    clip, mask = video.make(tmp_path, frames=5, size=(96, 128))
    model = load_model()
    video.stages(clip, mask, model, SMALL, tmp_path)
    quietly(lambda: video.track_video(clip, mask, model, tmp_path / "job", SMALL))()
    drawn, overlay = (read_video(path).astype(int) for path in (tmp_path / "drawn.mp4", tmp_path / "job" / "overlay.mp4"))
    assert drawn.shape == overlay.shape == (5, 96, 128, 3) and np.abs(drawn - overlay).mean() < 1
    assert (tmp_path / "drawn.png").read_bytes() == (tmp_path / "job" / "masks" / "00004.png").read_bytes()


def test_time_is_booked_on_its_stage():
    clock = video.Stages()
    assert list(clock.each("decode", (time.sleep(0.01) for _ in range(3)))) == [None] * 3
    with pytest.raises(ZeroDivisionError):
        clock.timed("draw", lambda: time.sleep(0.01) or 1 / 0)
    assert clock.seconds["decode"] >= 0.03 and clock.seconds["draw"] >= 0.01
    assert not any(seconds for stage, seconds in clock.seconds.items() if stage not in ("decode", "draw"))


def test_a_ratio_is_of_pairs_in_turn_after_a_first_that_does_not_count(monkeypatch):
    """By a clock of our own: the candidate takes 2 s, the reference 6 s, but both 100 s when cold."""
    now, calls = [0.0], []

    def taking(name, seconds):
        def run():
            calls.append(name)
            now[0] += seconds if len(calls) > 2 else 100.0

        return run

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    assert ratio(taking("reference", 6.0), taking("candidate", 2.0), rounds=3) == (2.0, 3.0)
    assert calls == ["reference", "candidate"] * 4


def test_threads_are_as_before_afterwards():
    import torch

    before, seen = torch.get_num_threads(), []
    with_threads(2, lambda: seen.append(torch.get_num_threads()))()
    assert seen == [2] and torch.get_num_threads() == before


def test_every_key_is_explained():
    for module in (start, training, video):
        assert all(text for _, text in module.ABOUT.values())


@pytest.mark.parametrize("name", ablate.TRAINING)
def test_each_variant_of_the_recipe_trains(name):
    changes, trainer, patch = ablate.TRAINING[name]
    config = dataclasses.replace(TINY, **(changes | {"height": 80, "crop": 48, "batch": 2, "steps": 2}))
    with patch() if patch else contextlib.nullcontext():
        run = trainer([moving_shapes(0, frames=9, height=80, width=96).frames], config)
        before = {k: v.clone() for k, v in run.net.state_dict().items()}
        assert np.isfinite([run.step(), run.step()]).all()
        after = run.model().net.state_dict()
    assert before.keys() == after.keys() and any(not torch.equal(before[k], after[k]) for k in before)


def test_the_ablation_is_judged_on_videos_it_was_not_trained_on_and_told_beside_the_base():
    row = {"J": 50.0, "F": 60.0, "seconds": 0.25}
    text = ablate.table({"base": row, "worse": row | {"J": 49.0}}, "training")
    assert text.splitlines()[2:] == ["| base | 50.0 | 60.0 | 55.0 |  | 0.25 |", "| worse | 49.0 | 60.0 | 54.5 | -0.5 | 0.25 |"]
    assert len(set(ablate.HELD_OUT)) == 8
    for changes in ablate.TRACKING.values():
        dataclasses.replace(MODERN, **changes)
