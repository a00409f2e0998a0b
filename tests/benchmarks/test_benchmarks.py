"""Test that the benchmarks run and report their documented keys. No times are asserted, because they depend on the machine."""

import contextlib
import dataclasses
import importlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the benchmarks run from the repository: python -m tests.benchmarks

from tests.benchmarks import __main__ as program  # noqa: E402
from tests.benchmarks import gpu, long, page, propagate, quietly, ratio, start, throughput, training, video, with_threads  # noqa: E402
from tests.experiments import ablate, kinetics  # noqa: E402
from tests.support.browser import why_no_browser  # noqa: E402
from tinytrack.datasets.synth import moving_shapes  # noqa: E402
from tinytrack.io.masks import read_mask  # noqa: E402
from tinytrack.io.video import read_video  # noqa: E402
from tinytrack.model import load_model  # noqa: E402
from tinytrack.propagate import MODERN  # noqa: E402
from tinytrack.recipe import TINY  # noqa: E402
from tinytrack.train import Trainer  # noqa: E402
from tinytrack.training.parallel import ParallelTrainer  # noqa: E402

PROMISED = {
    "propagate_speedup_s4", "propagate_speedup_s8", "propagate_memory_ratio_s4", "propagate_over_floor_s4",
    "train_share_of_bare", "fps_480p_s8", "import_over_torch", "long_frames_r2", "long_objects_r2", "long_peak_growth",
}  # fmt: skip
SMALL = dataclasses.replace(MODERN, size=48, radius=4, back=(1, 2))


@pytest.fixture
def stubs(monkeypatch):
    """Replace each measurement by one that returns all its keys at once. The result maps each benchmark to its requested rounds."""
    asked = {}
    for name in program.MODULES:
        module = importlib.import_module(f"tests.benchmarks.{name}")

        def measure(rounds="its own", name=name, keys=tuple(module.ABOUT)):
            asked[name] = rounds
            return dict.fromkeys(keys, 1.25)

        monkeypatch.setattr(module, "measure", measure)
    return asked


def test_the_table_and_the_json_file_contain_all_documented_keys(stubs, tmp_path, capsys):
    program.main(["--json", str(tmp_path / "speed.json")])
    written = json.loads((tmp_path / "speed.json").read_text())
    assert set(written) >= PROMISED
    rows = [line.split("|")[1:4] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0].strip() for row in rows] == [key for key, value in written.items() if value is not None]
    assert all(float(row[1]) == 1.25 for row in rows)
    goals = {row[0].strip(): row[2].strip() for row in rows}
    assert (goals["fps_480p_s8"], goals["train_share_of_bare"], goals["import_over_torch"]) == (">= 5", ">= 0.85", "<= 1.10")
    assert stubs == dict.fromkeys(program.DEFAULT, "its own")


def test_long_videos_are_measured_only_on_request(stubs, tmp_path):
    program.main(["--json", str(tmp_path / "without.json")])
    assert json.loads((tmp_path / "without.json").read_text())["long_frames_r2"] is None
    assert "long" not in stubs
    program.main(["--long", "--json", str(tmp_path / "with.json")])
    assert json.loads((tmp_path / "with.json").read_text())["long_frames_r2"] == 1.25
    assert stubs == dict.fromkeys(program.MODULES, "its own")


def test_only_the_named_benchmarks_run_with_the_requested_rounds(stubs, capsys):
    program.main(["--only", "start,training", "--rounds", "2"])
    assert stubs == {"start": 2, "training": 2}
    assert "fps_480p_s8" not in capsys.readouterr().out


@pytest.mark.parametrize("arguments, said", [(["--only", "tea"], "'tea'"), (["--rounds", "0"], "at least one round")])
def test_invalid_arguments_are_refused(arguments, said, capsys):
    with pytest.raises(SystemExit):
        program.main(arguments)
    assert said in capsys.readouterr().err


def test_the_benchmarks_start_from_the_repository():
    done = subprocess.run([sys.executable, "-m", "tests.benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--only" in done.stdout, done.stderr


def test_all_stages_of_a_video_are_measured():
    """On a tiny synthetic video, all keys must be present and positive."""
    values = video.measure(rounds=1, frames=4, size=(96, 128), protocol=SMALL)
    assert set(values) == set(video.ABOUT)
    assert all(value > 0 for value in values.values())


@pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "there is a browser")
def test_the_page_is_measured():
    values = page.measure(rounds=1, frames=4, size=(48, 64))
    assert set(values) == set(page.ABOUT)
    assert all(value > 0 for value in values.values())


def test_the_stages_give_the_same_result_as_the_job(tmp_path):
    """The video drawn by the stages must match the job's overlay. The encoder's bytes differ between runs, so compare frames."""
    clip, mask = video.make(tmp_path, frames=5, size=(96, 128))
    model = load_model()
    video.stages(clip, mask, model, SMALL, tmp_path)
    quietly(lambda: video.track_video(clip, mask, model, tmp_path / "job", SMALL))()
    drawn, overlay = (read_video(path).astype(int) for path in (tmp_path / "drawn.mp4", tmp_path / "job" / "overlay.mp4"))
    assert drawn.shape == overlay.shape == (5, 96, 128, 3)
    assert np.abs(drawn - overlay).mean() < 1
    assert (tmp_path / "drawn.png").read_bytes() == (tmp_path / "job" / "masks" / "00004.png").read_bytes()


def test_fit_finds_a_line_and_r2_is_below_one_for_other_data():
    assert long.fit([10, 20, 40], [7, 12, 22]) == pytest.approx((2, 0.5, 1))
    assert long.fit([0, 1, 2], [0, 1, 0]) == pytest.approx((1 / 3, 0, 0))
    a, b, r2 = long.fit(range(8), [1 + 2 * x + x * x for x in range(8)])
    assert 0.9 < r2 < 0.96


def made_up(frames, objects, seconds=0.1):
    """A synthetic result of a job that takes 2 s, 100 ms per frame, and 3 ms per frame for each further object.

    The times "at" which frames were read are independent of this: the n-th frame comes n ms after the one before it.
    """
    at = np.cumsum([t / 1000 for t in range(frames)])
    return {"seconds": 2 + frames * (seconds + 0.003 * (objects - 1)), "peak": 300 + frames, "at": at.tolist()}


def test_fits_use_the_medians_over_all_rounds(monkeypatch):
    """The first of three rounds is twenty times slower, which must not change the medians."""
    asked, made = [], []

    def run(folder, jobs):
        asked.append(jobs)
        return [made_up(*job, seconds=2 if len(asked) == 1 else 0.1) for job in jobs]

    monkeypatch.setattr(long, "make", lambda folder, frames: made.append(frames))
    monkeypatch.setattr(long, "run", run)
    values = long.measure(rounds=3)
    assert made == [112]
    assert len(asked) == 3
    assert len(set(asked[0])) == 7
    assert set(values) == set(long.ABOUT)
    assert values == pytest.approx(
        {
            "long_frames_r2": 1,
            "long_objects_r2": 1,
            "long_ms_one_object": 100 + 2000 / 48,
            "long_ms_further_object": 3,
            "long_late_over_early": (84 + 111) / (24 + 31),
            "long_peak_mb_few": 332,
            "long_peak_mb_many": 412,
            "long_peak_growth": 412 / 332,
        }
    )


def test_a_long_job_reports_memory_and_time_per_hundred_frames(monkeypatch, capsys):
    """The first 100 frames take 50 ms and hold 300 MB, and frame 100 takes 5 s longer. Later frames take 90 ms and hold 400 or 450 MB."""
    made = []

    def run(folder, jobs, threads):
        ((frames, objects),) = jobs
        at = np.cumsum([0.05 if t < 100 else 5.05 if t == 100 else 0.09 for t in range(frames)])
        held = [300 if t < 100 else 400 for t in range(frames)]
        held[150] = 450
        objects = list(range(1, objects + 1))
        told = {"frames": frames, "objects": objects, "wall": 12.5, "seconds": 20, "peak": 460, "at": at.tolist(), "held": held}
        return [told]

    monkeypatch.setattr(long, "make", lambda folder, frames, objects: made.append((frames, objects)))
    monkeypatch.setattr(long, "run", run)
    long.main(["--frames", "250", "--objects", "3"])
    assert made == [(250, [3])]
    assert capsys.readouterr().out.splitlines() == [
        "frames 0 to 99: at most 300 MB, 100 ms a frame",
        "frames 100 to 199: at most 450 MB, 90 ms a frame",
        "frames 200 to 249: at most 400 MB, 90 ms a frame",
        "250 frames, 3 objects: 12 s (20 s of processor time), 20.00 frames a second, at most 460 MB",
    ]


@pytest.mark.parametrize("arguments", [["--frames", "1"], ["--objects", "0"], ["--objects", "21"], ["--threads", "0"]])
def test_long_jobs_with_invalid_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        long.main(arguments)
    assert "expected at least 2 frames, 1 to 20 objects" in capsys.readouterr().err


def test_jobs_run_in_separate_processes_and_take_turns(tmp_path, monkeypatch):
    """Use tiny frames, and turns so short that no job can finish in one. Both jobs must write masks, and the video must show motion."""
    monkeypatch.setattr(long, "SLICE", 1 / 1000)
    long.make(tmp_path, 20, (1, 3), (96, 128))
    both = long.run(tmp_path, [(12, 3), (20, 1)], rows=48)
    for found, frames, objects in zip(both, (12, 20), (3, 1), strict=True):
        assert found["frames"] == len(found["at"]) == len(found["held"]) == frames
        assert len(list((tmp_path / f"out {frames} {objects}" / "masks").iterdir())) == frames
        assert found["objects"] == list(range(1, objects + 1))
        assert found["at"] == sorted(found["at"])
        assert 0 < found["at"][-1] - found["at"][0] < found["seconds"]
        assert 50 < min(found["held"])
        assert max(found["held"]) <= found["peak"] < 2000
    assert sum(found["wall"] for found in both) > 1.2 * sum(found["seconds"] for found in both)  # each job had to wait for the other
    assert set(np.unique(read_mask(tmp_path / "1.png"))) == {0, 1}
    moving = read_video(tmp_path / "video.mp4").astype(int)
    assert moving.shape == (20, 96, 128, 3)
    assert np.abs(np.diff(moving, axis=0)).mean((1, 2, 3)).min() > 0.5


def test_a_failing_job_ends_the_other_jobs(tmp_path, monkeypatch):
    """The first job fails because there is no mask of two objects. The second one must not be left behind as a stopped process."""
    long.make(tmp_path, 4, (1,), (96, 128))
    begun, start = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *arguments, **more: begun.append(start(*arguments, **more)) or begun[-1])
    with pytest.raises(RuntimeError, match="a job failed"):
        long.run(tmp_path, [(4, 2), (4, 1)], rows=48)
    assert [job.returncode for job in begun] == [1, -signal.SIGKILL]


def test_hidden_objects_in_the_first_frame_are_reported(tmp_path):
    with pytest.raises(ValueError, match="of 20 objects some are hidden"):
        long.make(tmp_path, 2, (20,), (32, 32))


def test_time_is_added_to_the_right_stage():
    clock = video.Stages()
    assert list(clock.each("decode", (time.sleep(0.01) for _ in range(3)))) == [None] * 3
    with pytest.raises(ZeroDivisionError):
        clock.timed("draw", lambda: time.sleep(0.01) or 1 / 0)
    assert clock.seconds["decode"] >= 0.03
    assert clock.seconds["draw"] >= 0.01
    assert not any(seconds for stage, seconds in clock.seconds.items() if stage not in ("decode", "draw"))


def test_ratio_times_pairs_in_turn_and_ignores_the_first_round(monkeypatch):
    """With a fake clock, the candidate takes 2 s and the reference 6 s, but each takes 100 s in the first round."""
    now, calls = [0.0], []

    def taking(name, seconds):
        def run():
            calls.append(name)
            now[0] += seconds if len(calls) > 2 else 100.0

        return run

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    assert ratio(taking("reference", 6.0), taking("candidate", 2.0), rounds=3) == (2.0, 3.0)
    assert calls == ["reference", "candidate"] * 4


def test_with_threads_restores_the_number_of_threads():
    import torch

    before, seen = torch.get_num_threads(), []
    with_threads(2, lambda: seen.append(torch.get_num_threads()))()
    assert seen == [2]
    assert torch.get_num_threads() == before


def test_every_key_has_an_explanation():
    for module in (start, training, video, long):
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
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[k], after[k]) for k in before)


def test_the_ablation_table_shows_the_difference_to_the_base():
    row = {"J": 50.0, "F": 60.0, "seconds": 0.25, "videos": [[40.0, 50.0], [60.0, 70.0]]}
    worse = row | {"J": 49.0, "videos": [[40.0, 48.0], [60.0, 70.0]]}
    text = ablate.table({"base": row, "worse": worse}, "training")
    assert text.splitlines()[2:] == [
        "| base | 50.0 | 60.0 | 55.0 |  |  | 0.25 |",
        "| worse | 49.0 | 60.0 | 54.5 | -0.5 | -1.0 to +0.0 | 0.25 |",
    ]
    assert len(set(ablate.HELD_OUT)) == 8
    for changes in ablate.TRACKING.values():
        dataclasses.replace(MODERN, **changes)


def test_all_stages_of_a_recipe_are_measured(tmp_path, monkeypatch):
    """On two synthetic videos, all documented keys must be positive, except those that need several processes."""
    monkeypatch.delenv("TINYTRACK_DATA", raising=False)
    index = throughput.make(tmp_path / "videos", gop=8, videos=2, frames=30, size=(48, 64))
    assert len(index) == 2
    assert index.fps[0] == 30
    config = dataclasses.replace(TINY, fps=6, gap=(1, 1), height=32, crop=32, jitter=4, batch=2)
    found = throughput.measure_recipe(config, {"": index, "_short_gop": index}, rounds=1)
    promised = {key.removeprefix("tiny_") for key in throughput._about("tiny")}
    assert set(found) == promised - {"all_reduce", "two_processes", "two_share"}
    assert all(value > 0 for value in found.values())


def test_the_operation_count_grows_with_the_input_size():
    shots = [moving_shapes(0, frames=4, height=64, width=64).frames]
    counts = [
        throughput.operations(Trainer(shots, dataclasses.replace(TINY, height=side, crop=side, jitter=0, batch=2, gap=(1, 1))))
        for side in (32, 64)
    ]
    assert 4 <= counts[1] / counts[0] < 6, "convolutions must count 4 times as much, and the pointer 16 times"


def test_memory_for_the_backward_pass_grows_with_the_number_of_clips():
    shots = [moving_shapes(0, frames=4, height=64, width=64).frames]
    one, two = (
        kinetics.saved_bytes(ParallelTrainer(shots, dataclasses.replace(TINY, height=64, crop=64, jitter=0, batch=n))) for n in (1, 2)
    )
    assert one > 1e6
    assert 1.9 < two / one < 2.1


def test_the_gpu_table_has_all_rows(device, monkeypatch):
    """On a small scale; on the CPU, this shows that the script works."""
    monkeypatch.setattr(gpu, "TINY", dataclasses.replace(TINY, height=64, crop=48))
    monkeypatch.setattr(gpu, "PAPER", dataclasses.replace(gpu.PAPER, height=32, crop=32))
    monkeypatch.setattr(gpu, "PRESETS", {"lab": dataclasses.replace(gpu.PRESETS["lab"], height=64, crop=48)})
    monkeypatch.setattr(gpu, "GRIDS", {8: (12, 20)})
    monkeypatch.setattr(propagate, "GRIDS", {8: (12, 20)})
    rows = gpu.measure(device, rounds=1, paper_batch=2, frames=8, size=(96, 160))
    assert len(rows) == 1 + 6 + 1 + 1 + 4
    assert len({what for what, _ in rows}) == len(rows)
    assert all(re.search(r"\d", figure) for _, figure in rows[1:])
