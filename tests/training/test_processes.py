"""Training in several processes gives the same result as in one, and losing a process costs no more than the last steps.

The jobs run in real processes: ``launch`` makes torchrun run this file, and each process calls one of its functions.
"""

import dataclasses
import errno
import faulthandler
import gc
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import tinytrack
from tests.support.helpers import assert_one_sentence
from tinytrack import batches
from tinytrack.batches import sample_clips
from tinytrack.datasets.synth import moving_shapes
from tinytrack.embed import PaperNet, _BasicBlock, _SpaceTime
from tinytrack.errors import TinytrackError
from tinytrack.io.video_writer import write_video
from tinytrack.model import NETWORKS, best_device, load_model, make_network
from tinytrack.recipe import PAPER, TINY
from tinytrack.train import Trainer
from tinytrack.training import processes
from tinytrack.training import shared_norm as norms
from tinytrack.training.checkpoint import checkpoint_path, previous_path
from tinytrack.training.clip_stream import ClipStream
from tinytrack.training.fit import fit
from tinytrack.training.processes import clips_of_rank
from tinytrack.training.video_index import NAME, VideoIndex, make_index

FAST = dataclasses.replace(TINY, height=32, crop=24, jitter=4, batch=4, steps=20, warmup=2)
HALVES = dataclasses.replace(FAST, accumulate=2)
RECIPES = {
    "gray": FAST,
    "gray, in two parts": dataclasses.replace(HALVES, clip_norm=0.05),
    "lab": dataclasses.replace(HALVES, network="LabNet", width=16, dim=8),
    "classify": dataclasses.replace(HALVES, task="classify"),
    "paper": dataclasses.replace(PAPER, height=32, crop=32, gap=(1, 2), batch=4, accumulate=2, steps=20, learning_rate=1e-4),
}
STREAMED = dataclasses.replace(HALVES, gap=(1, 1))
SPOILT = "c.mp4"
KILLED = dataclasses.replace(FAST, batch=2, steps=8, warmup=1000)
LAST_SAVED = 3
"""The step of the last checkpoint; a process is killed during the next step."""


def some_shots():
    return [moving_shapes(seed, frames=9, height=48, width=64).frames for seed in (0, 1)]


# ---------------------------------------------------------------------------------------------------------- jobs for the processes


class SmallPaperNet(PaperNet):
    """A small PaperNet that has every kind of layer of the full one."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(_BasicBlock(64, 32, 2))
        self.context = nn.Sequential(_SpaceTime(34, 32, 1), _SpaceTime(32, 32, 2))
        self.head = nn.Conv3d(32, 16, 1)


def compute_in_float64():
    """Training amplifies rounding differences from step to step; those of float64 are still negligible after twenty steps."""
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    batch = Trainer.batch

    def exact(self, *args):
        picture, *rest = batch(self, *args)
        return picture.double(), *rest

    Trainer.batch = exact


def training(folder):
    """Train each recipe, a stream and a run with a time limit; save all losses and the final weights."""
    found = {}

    def run(name, source, config, **options):
        losses = []
        model = fit(source, config, progress=False, on_step=lambda trainer, loss: losses.append(loss), **options)
        found[name] = {"losses": losses, "weights": model.net.state_dict(), "hash": model.fingerprint(), "on": model.card["machine"]}

    run("in float32", some_shots(), KILLED)
    run("by the clock", some_shots(), FAST, minutes=0.01)
    NETWORKS["PaperNet"] = SmallPaperNet
    compute_in_float64()
    for name, config in RECIPES.items():
        run(name, some_shots(), config)
    run("stream", ClipStream(VideoIndex(folder / "videos.csv"), STREAMED, workers=0), STREAMED)
    torch.save(found, folder / f"{processes.world_size()}-{processes.rank()}.pt")


def outcome(function, first_only=False):
    """Call ``on_all_ranks`` and return its outcome in this process."""
    return outcome_of(lambda: processes.on_all_ranks(function, first_only))


def outcome_of(function):
    """Call a function and return its result, its error message or the status with which it exits."""
    try:
        return function()
    except (TinytrackError, OSError) as error:
        return str(error)
    except SystemExit as end:
        return f"ends with status {end.code}"


def norm_case(dims, offset):
    """A batch of four, the weight of each output value in the loss, and a normalisation layer."""
    g = torch.Generator().manual_seed(dims)
    x = offset + torch.randn(4, 3, 4, *(5, 6)[: dims - 1], generator=g, dtype=torch.float64)
    slope = torch.randn(x.shape, generator=g, dtype=torch.float64)
    norm = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[dims](3, eps=1e-3, momentum=0.3).double()
    nn.init.normal_(norm.weight, generator=g)
    nn.init.normal_(norm.bias, generator=g)
    return x, slope, norm


NORMS = {"2d": (2, 0, torch.float64), "3d": (3, 0, torch.float64), "far from 0": (2, 1000, torch.float32)}


def norm_facts(norm, x, slope):
    """The outputs, gradients and running statistics of a normalisation layer."""
    x = x.clone().requires_grad_()
    for _ in range(2):  # the second pass updates existing running statistics
        y = norm(x)
    (y * slope).sum().backward()
    facts = {"y": y, "x": x.grad, "weight": norm.weight.grad, "bias": norm.bias.grad}
    facts |= {"mean": norm.running_mean, "var": norm.running_var, "tracked": norm.num_batches_tracked}
    return {name: value.detach().clone() for name, value in (facts | {"later": norm.eval()(x)}).items()}


def agreeing(folder):
    """Use every function for communication between processes, and shared normalisation."""
    me = processes.rank()

    def fails(*who, kind=TinytrackError):
        def function():
            if me in who:
                raise kind(f"process {me} failed")
            return me

        return function

    ran = []
    found = {
        "who": [processes.launched_by_torchrun(), processes.restart_count(), processes.world_size(), me, processes.local_rank()],
        "total": processes.sum_over_ranks([me + 1.0, 0.1, 2.0**60 + me * 2.0**10]),
        "mean": processes.mean_over_ranks(me + 0.5),
        "gathered": processes.gather({"of": "ab"[me]}),
        "each": outcome(lambda: me),
        "first": outcome(lambda: ran.append(me) or f"of process {me}", first_only=True),
        "ran": ran,
        "0 fails": outcome(fails(0)),
        "1 fails": outcome(fails(1)),
        "both fail": outcome(fails(0, 1)),
        "the first fails": outcome(fails(0), first_only=True),
        "the system fails": outcome(fails(1, kind=OSError)),
        "afterwards": outcome(lambda: "all well"),
    }
    for name, (dims, offset, dtype) in NORMS.items():
        x, slope, norm = (part.to(dtype) for part in norm_case(dims, offset))
        shared = norms.share_norms(nn.Sequential(norm), torch.device("cpu"))[0]
        found[name] = norm_facts(shared, x[2 * me : 2 * me + 2], slope[2 * me : 2 * me + 2])
    torch.save(found, folder / f"agreed-{me}.pt")


def run_that_is_killed(folder, victim, resume):
    """Train; the process with the rank ``victim``, if there is one, kills itself without a message."""

    def on_step(trainer, loss):
        if trainer.count == LAST_SAVED + 1 and processes.rank() == int(victim):
            os.kill(os.getpid(), signal.SIGKILL)

    fit(some_shots(), KILLED, out=folder / "m.pt", resume=resume == "resume", save_every=0, progress=False, on_step=on_step)


def full_disk(folder):
    """The first process, which writes the checkpoints, cannot write the third one."""
    written, fsync = [], os.fsync

    def full(fd):
        written.append(fd)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(fd)

    os.fsync = full
    fit(some_shots(), KILLED, out=folder / "m.pt", save_every=0, progress=False)


def uneven(folder):
    """All processes fail in the same way at the same time."""
    fit(some_shots(), dataclasses.replace(FAST, batch=3), progress=False)


def diverging(folder):
    """The weights of one process become NaN, and with them the loss of all processes."""

    def spoil(trainer, loss):
        if processes.rank() == 1:
            trainer.net.head.weight.data.fill_(float("nan"))

    fit(some_shots(), FAST, progress=False, on_step=spoil)


def no_disk(folder):
    """One process fails alone while the other waits for it."""
    if processes.rank() == 1:
        raise OSError("the disk is gone")
    processes.mean_over_ranks(0.0)


def lost(folder):
    """One process is killed while the other waits for it."""
    processes.mean_over_ranks(0.0)
    if processes.rank() == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    processes.mean_over_ranks(0.0)


JOBS = {job.__name__: job for job in (training, agreeing, run_that_is_killed, full_disk, uneven, diverging, no_disk, lost)}


def main(job, folder, *args):
    """Run a job in the same setting as the command line."""
    faulthandler.dump_traceback_later(120, exit=True)  # if the processes wait for each other forever, print where
    torch.set_num_threads(1)
    try:
        with processes.process_group():
            JOBS[job](Path(folder), *args)
    except (TinytrackError, OSError) as error:
        print(f"tinytrack: {error}", file=sys.stderr, flush=True)
        sys.exit(2)


# --------------------------------------------------------------------------------------------------- how the processes are started


def torchrun(folder, *command, processes=2, options=()):
    """Start ``command`` in this number of processes; their output goes to two files in the folder."""
    path = os.pathsep.join(filter(None, [str(Path(tinytrack.__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    several = ["-m", "torch.distributed.run", f"--nproc_per_node={processes}", *options] if processes > 1 else []
    with open(folder / "out.txt", "wb") as out, open(folder / "err.txt", "wb") as err:
        return subprocess.Popen([sys.executable, *several, *map(str, command)], cwd=folder, env=environment, stdout=out, stderr=err)


def ended(process, folder):
    """Wait for a job to end; return its exit status, its output and its error messages (``said``)."""
    try:
        status = process.wait(timeout=150)
    finally:
        if process.poll() is None:
            process.terminate()  # torchrun then ends its processes, which are not in its process group
            process.wait(timeout=60)
    out, err = ((folder / name).read_text(errors="replace") for name in ("out.txt", "err.txt"))
    said = [line for line in re.split(r"[\r\n]+", err) if line.startswith("tinytrack:")]
    return SimpleNamespace(status=status, said=said, out=out, err=err)


def launch(job, folder, *args, processes=2):
    """Run a job in this number of processes and wait for it to end."""
    logs = folder / f"{job.__name__}-{'-'.join(map(str, args))}-{processes}"
    logs.mkdir()
    return ended(torchrun(logs, __file__, job.__name__, folder, *args, processes=processes), logs)


# ---------------------------------------------------------------------------------------------------------- one process or several


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The results of :func:`training` in one process and in each of two, and the messages of both runs."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "videos").mkdir()
    for seed, name in enumerate(("a.mp4", "b.mp4", SPOILT, "d.mp4")):
        write_video(folder / "videos" / name, moving_shapes(seed, frames=12, height=48, width=64).frames, 12)
    make_index(folder / "videos", folder / "videos.csv", workers=1, progress=False)
    (folder / "videos" / SPOILT).write_bytes(b"no video any more")
    said = []
    for n in (1, 2):
        run = launch(training, folder, processes=n)
        assert run.status == 0, run.err
        said.append(run.said)
    one, first, second = (torch.load(folder / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    return SimpleNamespace(one=one, first=first, second=second, said=said)


@pytest.mark.parametrize("name", [*RECIPES, "stream"])
def test_two_processes_train_like_one(trained, name):
    one, two = trained.one[name], trained.first[name]
    assert len(one["losses"]) == 20
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=0, atol=1e-6)
    assert two["weights"].keys() == one["weights"].keys()
    for key, weight in one["weights"].items():
        torch.testing.assert_close(two["weights"][key], weight, rtol=1e-5, atol=1e-6, msg=lambda m, key=key: f"{key}: {m}")


def test_two_processes_train_like_one_in_single_precision_at_a_small_learning_rate(trained):
    one, two = trained.one["in float32"], trained.first["in float32"]
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=0, atol=1e-4)
    for key, weight in one["weights"].items():
        torch.testing.assert_close(two["weights"][key], weight, rtol=1e-3, atol=1e-4, msg=lambda m, key=key: f"{key}: {m}")


def test_every_process_ends_with_the_same_weights(trained):
    for name in trained.first:
        one, other = trained.first[name], trained.second[name]
        assert one["losses"] == other["losses"], name
        assert all(torch.equal(weight, other["weights"][key]) for key, weight in one["weights"].items()), name


def test_with_a_time_limit_all_processes_stop_after_the_same_step(trained):
    assert len(trained.first["by the clock"]["losses"]) == len(trained.second["by the clock"]["losses"]) >= 1


def test_a_video_that_cannot_be_read_is_reported_once(trained):
    for said in trained.said:
        assert len(said) == 1
        assert_one_sentence(said[0], SPOILT, "another takes its place")


def test_the_card_records_the_number_of_processes(trained):
    assert trained.first["gray"]["on"].endswith(", 2 processes")
    assert "process" not in trained.one["gray"]["on"]


# ------------------------------------------------------------------------------------------------------------------- communication


@pytest.fixture(scope="module")
def agreed(tmp_path_factory):
    """The results of :func:`agreeing` in each of two processes."""
    folder = tmp_path_factory.mktemp("agreed")
    run = launch(agreeing, folder)
    assert run.status == 0, run.err
    return [torch.load(folder / f"agreed-{me}.pt") for me in (0, 1)]


def test_each_process_knows_its_rank(agreed):
    assert [one["who"] for one in agreed] == [[True, 0, 2, 0, 0], [True, 0, 2, 1, 1]]


def test_values_are_summed_averaged_and_gathered_over_all_processes(agreed):
    for one in agreed:
        assert one["total"] == [3, 0.2, 2.0**61 + 2.0**10], "the sum must be in double precision"
        assert one["mean"] == 1
        assert one["gathered"] == [{"of": "a"}, {"of": "b"}]


def test_all_processes_receive_the_result_of_the_first(agreed):
    assert [one["each"] for one in agreed] == [0, 1]
    assert [one["first"] for one in agreed] == ["of process 0"] * 2
    assert [one["ran"] for one in agreed] == [[0], []]


def test_one_failing_process_reports_its_error_and_the_others_exit_silently(agreed):
    quiet = "ends with status 2"
    for case in ("0 fails", "the first fails", "both fail"):
        assert [one[case] for one in agreed] == ["process 0 failed", quiet], case
    for case in ("1 fails", "the system fails"):
        assert [one[case] for one in agreed] == [quiet, "process 1 failed"], case
    assert [one["afterwards"] for one in agreed] == ["all well"] * 2


@pytest.mark.parametrize("job, part", [(uneven, "a batch of 3 clips"), (diverging, "training diverged"), (no_disk, "the disk is gone")])
def test_an_error_that_stops_all_processes_is_reported_once(tmp_path, job, part):
    run = launch(job, tmp_path)
    assert run.status != 0, run.err
    assert len(run.said) == 1, run.err
    assert_one_sentence(run.said[0], part)
    assert "RuntimeError" not in run.err, "the waiting process must not also report that the other is gone"


def test_a_process_lost_outside_of_training_is_reported(tmp_path):
    run = launch(lost, tmp_path)
    assert run.status != 0, run.err
    assert len(run.said) == 1, run.err
    assert_one_sentence(run.said[0], "another process of this run has ended")


@pytest.mark.parametrize("name", NORMS)
def test_normalisation_is_over_the_clips_of_all_processes(agreed, name):
    dims, offset, dtype = NORMS[name]
    x, slope, norm = norm_case(dims, offset)
    whole = norm_facts(norm, x.to(dtype).double(), slope.to(dtype).double())
    parts = [one[name] for one in agreed]
    close = {"rtol": 1e-10, "atol": 1e-10} if dtype == torch.float64 else {"rtol": 1e-3, "atol": 1e-3}
    for key in ("y", "x", "later"):
        torch.testing.assert_close(torch.cat([part[key] for part in parts]).double(), whole[key], **close)
    for key in ("weight", "bias"):
        torch.testing.assert_close((parts[0][key] + parts[1][key]).double(), whole[key], **close)
    for part in parts:
        assert part["tracked"] == 2
        for key in ("mean", "var"):
            torch.testing.assert_close(part[key].double(), whole[key], **close)


@pytest.mark.parametrize("network", NETWORKS)
def test_sharing_norms_keeps_the_parameter_names_and_values_of_a_network(network):
    net = make_network(network)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    held = {id(p) for p in net.parameters()}
    assert norms.share_norms(net, torch.device("cpu")) is net
    assert list(net.state_dict()) == list(before)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert {id(p) for p in net.parameters()} == held, "an optimiser that was created earlier must still train the network"
    kinds = {type(m) for m in net.modules()}
    assert norms.SharedNorm in kinds
    assert not kinds & {nn.BatchNorm2d, nn.BatchNorm3d}


def test_communication_functions_work_in_a_single_process():
    with processes.process_group():
        assert not processes.launched_by_torchrun()
        assert processes.restart_count() == 0
        assert (processes.world_size(), processes.rank(), processes.local_rank()) == (1, 0, 0)
        assert processes.sum_over_ranks([1, 2.5]) == [1, 2.5]
        assert processes.mean_over_ranks(3) == 3
        assert processes.gather("a") == ["a"]
        assert processes.on_all_ranks(lambda: 7) == processes.on_all_ranks(lambda: 7, first_only=True) == 7
        for kind in (TinytrackError, OSError, KeyError):
            with pytest.raises(kind):
                processes.on_all_ranks(lambda kind=kind: (_ for _ in ()).throw(kind("failed")))


def test_each_process_uses_its_own_gpu_unless_one_is_specified(monkeypatch):
    assert processes.own_gpu("cuda") == "cuda"
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert [processes.own_gpu(name) for name in ("cuda", "cuda:1", "cpu")] == ["cuda:3", "cuda:1", "cpu"]


def test_a_gpu_is_tried_before_it_is_chosen(monkeypatch):
    tried, zeros = [], torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *size, device="cpu": tried.append(device) or zeros(*size))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert best_device() == "cuda"
    assert best_device("cpu") == "cpu"
    assert best_device("cuda:1") == "cuda:1"
    assert tried == ["cuda", "cuda:1"]


# ----------------------------------------------------------------------------------------------------------- distribution of clips


def take_turns(monkeypatch, n):
    """Pretend to be each of n processes in turn."""
    monkeypatch.setattr(processes, "world_size", lambda: n)
    for me in range(n):
        monkeypatch.setattr(processes, "rank", lambda me=me: me)
        yield me


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("parts", [1, 2])
def test_each_clip_of_a_step_belongs_to_exactly_one_process(monkeypatch, n, parts):
    config = dataclasses.replace(FAST, batch=24, accumulate=parts)
    shares = [clips_of_rank(config) for _ in take_turns(monkeypatch, n)]
    assert {len(share) for share in shares} == {24 // n}
    assert sorted(np.concatenate(shares).tolist()) == list(range(24))
    for part in range(parts):  # a micro-batch has the same clips for any number of processes
        taken = np.concatenate([np.split(share, parts)[part] for share in shares])
        assert taken.tolist() == list(range(24 // parts * part, 24 // parts * (part + 1)))


def test_the_shares_of_all_processes_equal_the_clips_of_a_single_process(monkeypatch):
    shots = some_shots()
    whole = sample_clips(shots, FAST, 5)
    shares = [batches.Shots(shots, FAST).clips(5, clips_of_rank(FAST)).numpy() for _ in take_turns(monkeypatch, 2)]
    assert np.array_equal(np.concatenate(shares), whole)
    assert len(whole) == 4


@pytest.mark.parametrize("batch, parts, n, multiple", [(4, 1, 3, 3), (6, 2, 2, 4), (2, 1, 4, 4), (3, 2, 1, 2), (1, 3, 1, 3)])
def test_a_batch_that_cannot_be_divided_evenly_is_refused(monkeypatch, batch, parts, n, multiple):
    for _ in take_turns(monkeypatch, n):
        with pytest.raises(TinytrackError) as error:
            clips_of_rank(dataclasses.replace(FAST, batch=batch, accumulate=parts))
        assert_one_sentence(error, f"a batch of {batch} clips", f"processes ({n})", f"--accumulate ({parts})", f"a multiple of {multiple}")


# --------------------------------------------------------------------------------------------------------------- a process is lost


def names(folder):
    """The names of the files in a folder, without its subfolders of logs."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("victim", [0, 1])
def test_a_run_that_lost_a_process_resumes_to_the_same_weights(trained, tmp_path, victim):
    lost = launch(run_that_is_killed, tmp_path, victim, "start")
    state = checkpoint_path(tmp_path / "m.pt")
    assert lost.status != 0
    assert len(lost.said) == 1, lost.err
    assert "Traceback" not in lost.err.split("torch/distributed/elastic")[0], lost.err
    assert_one_sentence(lost.said[0], "another process", "has ended", state, "--resume")
    assert torch.load(state)["count"] == LAST_SAVED
    assert {state.name, previous_path(tmp_path / "m.pt").name} <= set(names(tmp_path))
    assert "m.pt" not in names(tmp_path)
    again = launch(run_that_is_killed, tmp_path, -1, "resume")
    assert (again.status, again.said) == (0, []), again.err
    assert names(tmp_path) == ["m.pt"]
    assert load_model(tmp_path / "m.pt").fingerprint() == trained.first["in float32"]["hash"], "must equal an uninterrupted run"


def test_a_full_disk_is_reported_only_by_the_process_that_writes(tmp_path):
    run = launch(full_disk, tmp_path)
    state = checkpoint_path(tmp_path / "m.pt")
    assert run.status != 0
    assert torch.load(state)["count"] == 2
    assert names(tmp_path) == sorted([state.name, previous_path(tmp_path / "m.pt").name])
    assert len(run.said) == 1, run.said
    assert_one_sentence(run.said[0], "the disk is full", state, "--resume")


# ------------------------------------------------------------------------------------------------- the command line under torchrun


@pytest.fixture
def job(tmp_path):
    """``job(steps, *options)`` starts the real training command in two processes and waits until it has reached step 3."""
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "clip.mp4", moving_shapes(0, frames=9, height=48, width=64).frames, 12)
    make_index(tmp_path / "videos", workers=1, progress=False)
    logs = tmp_path / "logs"
    logs.mkdir()
    begun = []

    def start(steps, *options):
        train = ["-m", "tinytrack", "train", tmp_path / "videos" / NAME, "--batch", 2, "--steps", steps, "--save-every", 0.01]
        begun.append(torchrun(logs, *train, "--workers", 1, "--out", tmp_path / "m.pt", options=options))
        wait_until(lambda: max(steps_shown(logs), default=0) >= 3, begun[-1])
        return begun[-1], logs

    yield start
    for process in begun:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=60)


def steps_shown(logs):
    return [int(n) for n in re.findall(r"step (\d+), loss", (logs / "err.txt").read_text(errors="replace"))]


def wait_until(condition, process):
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "the process ended too early"
        assert time.monotonic() < end, "the condition did not hold in time"
        time.sleep(0.05)


def worker(torchrun, number):
    """The id of the process to which torchrun gave this rank."""
    for task in Path(f"/proc/{torchrun.pid}/task").iterdir():
        for pid in (task / "children").read_text().split():
            if f"\0RANK={number}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes():
                return int(pid)
    raise LookupError(number)


def test_a_terminated_job_saves_a_checkpoint(job, tmp_path):
    process, logs = job(100_000)
    process.terminate()
    run = ended(process, logs)
    assert run.status != 0, run.err
    assert len(run.said) == 1, run.err
    assert_one_sentence(run.said[0], "interrupted", "--resume", checkpoint_path(tmp_path / "m.pt"))
    assert torch.load(checkpoint_path(tmp_path / "m.pt"))["count"] >= 3
    assert "m.pt" not in names(tmp_path)
    assert not list(tmp_path.glob(".unfinished*"))
    assert not list(tmp_path.glob("*.lock"))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="which process is which stands in /proc, on Linux only")
def test_a_job_restarted_by_torchrun_resumes_by_itself(job, tmp_path):
    process, logs = job(16, "--max-restarts=1")
    os.kill(worker(process, 0), signal.SIGKILL)
    run = ended(process, logs)
    assert run.status == 0, run.err
    assert len(run.said) == 1, run.err
    assert "another process" in run.said[0], run.err
    shown = steps_shown(logs)
    again = next(i for i in range(1, len(shown)) if shown[i] <= shown[i - 1])
    assert shown[again] >= 3, "the restarted job must not start from the first step"
    assert names(tmp_path) == ["m.pt"]
    assert load_model(tmp_path / "m.pt").card["steps"] == 16 == len(load_model(tmp_path / "m.pt").card["loss"])


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="which process is which stands in /proc, on Linux only")
def test_a_killed_process_is_not_reported_as_a_lost_worker(job, tmp_path):
    process, logs = job(100_000)
    os.kill(worker(process, 1), signal.SIGKILL)
    run = ended(process, logs)
    assert run.status != 0, run.err
    assert len(run.said) == 1, run.err
    assert_one_sentence(run.said[0], "another process", "has ended", checkpoint_path(tmp_path / "m.pt"), "--resume")


def test_a_restarted_job_leaves_the_checkpoint_of_another_run_alone(tmp_path):
    write_video(tmp_path / "clip.mp4", moving_shapes(0, frames=9, height=48, width=64).frames, 12)
    checkpoint_path(tmp_path / "m.pt").write_bytes(b"another's")
    command = ["-m", "tinytrack", "train", tmp_path / "clip.mp4", "--steps", 2, "--out", tmp_path / "m.pt"]
    (tmp_path / "logs").mkdir()
    run = ended(torchrun(tmp_path / "logs", *command, options=["--max-restarts=1"]), tmp_path / "logs")
    assert run.status != 0, run.err
    assert len(run.said) == 2, run.err
    for said in run.said:
        assert_one_sentence(said, "holds an interrupted run")
    assert checkpoint_path(tmp_path / "m.pt").read_bytes() == b"another's"


if __name__ == "__main__":
    main(*sys.argv[1:])


# ---- forked processes


def test_a_fork_leaves_the_garbage_of_its_parent_alone(tmp_path):
    """A video that was open has threads, which a fork does not have: a fork that closes the video waits for them for ever."""

    class Video:
        def __init__(self):
            self.itself = self  # garbage that only the collector finds

        def __del__(self):
            (tmp_path / f"closed by {os.getpid()}").touch()

    def collect_in_fork():
        pid = os.fork()
        if pid == 0:
            gc.collect()
            os._exit(0)
        os.waitpid(pid, 0)
        return pid

    gc.disable()
    try:
        Video()
        careless = collect_in_fork()
        with processes.safe_fork():
            careful = collect_in_fork()
    finally:
        gc.enable()
    assert (tmp_path / f"closed by {careless}").exists(), "the test shows nothing if no fork closes the video"
    assert not (tmp_path / f"closed by {careful}").exists()
    assert (tmp_path / f"closed by {os.getpid()}").exists(), "the garbage is collected here, before the fork"
