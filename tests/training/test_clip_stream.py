"""Clips from more video than fits in memory: independent of the workers, balanced over all videos, robust to damaged files."""

import contextlib
import ctypes
import dataclasses
import gc
import os
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.broken_files import RANDOM, TEXT, alive, damaged_between, needs_proc, sound
from tests.support.helpers import assert_one_sentence
from tinytrack.datasets.synth import moving_shapes
from tinytrack.errors import TinytrackError, VideoError
from tinytrack.io.video_writer import write_video
from tinytrack.recipe import TINY
from tinytrack.training import clip_stream
from tinytrack.training.checkpoint import checkpoint_path
from tinytrack.training.clip_stream import LOST, TRIES, ClipStream, IndexedClips, LostWorker
from tinytrack.training.fit import fit
from tinytrack.training.video_index import VideoIndex, make_index

FAST = dataclasses.replace(TINY, height=48, crop=32, batch=2, steps=6, warmup=2, jitter=4, gap=(1, 1))
RATE = 10


def plain_frames(video, count):
    """Plain frames whose colour encodes the video number (red) and the frame number (green and blue), so any crop shows both."""
    levels = 20 + 7 * np.arange(count)
    return np.stack([np.full(count, 20 + 20 * video), levels, levels], axis=1).astype(np.uint8)[:, None, None].repeat(48, 1).repeat(64, 2)


def origin(clip):
    """Decode (video, frame numbers) from a clip of :func:`plain_frames`."""
    colors = clip.float().mean((1, 2)).numpy()
    video, number = (colors[:, 0] - 20) / 20, (colors[:, 1:].mean(1) - 20) / 7
    assert np.ptp(video) < 0.2, (video, number)
    assert np.abs(number - number.round()).max() < 0.45, (video, number)
    return round(float(video.mean())), number.round().astype(int).tolist()


def index_of(root, lengths, rate=RATE):
    """Write one video of :func:`plain_frames` per entry of ``lengths`` and index them; every fourth frame is a key frame."""
    import av

    root.mkdir(parents=True)
    for video, count in enumerate(lengths):
        with av.open(str(root / f"v{video:02d}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=rate)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            stream.options = {"crf": "10", "preset": "ultrafast", "g": "4"}
            for frame in plain_frames(video, count):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
    return VideoIndex(make_index(root, workers=1, progress=False)[0])


@pytest.fixture(scope="module")
def dozen(tmp_path_factory):
    """An index of twelve videos with thirty frames each."""
    return index_of(tmp_path_factory.mktemp("dozen") / "videos", [30] * 12)


@pytest.fixture
def stream():
    """``stream(index, workers=0, **recipe)`` makes a stream that is closed after the test."""
    made = []

    def make(index, workers=0, **recipe):
        made.append(ClipStream(index, dataclasses.replace(FAST, **recipe), workers))
        return made[-1]

    yield make
    for one in made:
        one.close()


def children():
    """The ids of the child processes of this process."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def clips_of(stream, steps):
    return torch.cat([stream.clips(step) for step in steps])


# ---- which clip


def test_clips_do_not_depend_on_the_number_of_workers(dozen, stream):
    alone = clips_of(stream(dozen), range(6))
    assert alone.dtype == torch.uint8
    assert alone.shape == (12, 4, 32, 32, 3)
    for workers in (1, 2):
        assert torch.equal(clips_of(stream(dozen, workers), range(6)), alone)


@pytest.mark.parametrize("workers", [0, 2])
def test_clips_do_not_depend_on_earlier_requests(dozen, stream, workers):
    alone = stream(dozen)
    expected = [alone.clips(step) for step in range(9)]
    late = stream(dozen, workers)
    for step in [5, 6, 0, 1, 8, 1]:  # an epoch has six steps, so step 8 belongs to the second epoch
        assert torch.equal(late.clips(step), expected[step])


def test_clips_do_not_depend_on_the_batch_size(dozen, stream):
    two, six = clips_of(stream(dozen, batch=2), range(9)), clips_of(stream(dozen, batch=6), range(3))
    assert torch.equal(two, six)


def test_another_seed_gives_other_clips(dozen, stream):
    one, other = (clips_of(stream(dozen, seed=seed), range(6)) for seed in (0, 1))
    assert [origin(clip)[0] for clip in one] != [origin(clip)[0] for clip in other]


def test_a_video_gives_another_clip_in_the_next_epoch(dozen, stream):
    epochs = [{origin(clip)[0]: origin(clip)[1] for clip in clips_of(stream(dozen), range(6 * e, 6 * e + 6))} for e in (0, 1)]
    assert epochs[0].keys() == epochs[1].keys()
    assert sum(epochs[0][video] != epochs[1][video] for video in range(12)) > 6


@pytest.mark.parametrize("batch", [2, 5])  # with 5, epochs do not start at a step boundary
def test_every_epoch_uses_each_video_once_in_a_new_order(dozen, stream, batch):
    videos = [origin(clip)[0] for clip in clips_of(stream(dozen, batch=batch), range(-(-36 // batch)))]
    epochs = [videos[i : i + 12] for i in (0, 12, 24)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0] != sorted(epochs[0])


def test_clips_start_uniformly_anywhere_in_a_video(tmp_path, stream):
    source = stream(index_of(tmp_path / "one", [30]), batch=150)
    first = [origin(clip)[1][0] for clip in source.clips(0)]  # a clip of 4 consecutive frames out of 30 can start at 0 to 26
    assert min(first) <= 1
    assert max(first) >= 25
    thirds = np.histogram(first, bins=[0, 9, 18, 27])[0]
    assert thirds.min() > 30, "50 are expected in each third; 30 would be 3.5 standard deviations away"


# ---- which frames


def steps_of(source, clips=24):
    """The distances between neighbouring frames for this number of clips."""
    return [np.diff(origin(clip)[1]).tolist() for clip in clips_of(source, range(clips // source.config.batch))]


def test_the_recipe_sets_the_distance_between_frames(dozen, stream):
    assert steps_of(stream(dozen, fps=10)) == [[1, 1, 1]] * 24
    assert steps_of(stream(dozen, fps=5)) == [[2, 2, 2]] * 24
    assert steps_of(stream(dozen, fps=5, gap=(3, 3))) == [[6, 6, 6]] * 24


def test_a_rate_that_does_not_divide_the_rate_of_the_video_takes_the_nearest_frames(dozen, stream):
    steps = steps_of(stream(dozen, fps=4))
    assert all(sum(gaps) in (7, 8) and set(gaps) == {2, 3} for gaps in steps), "the three gaps must average 2.5 frames"


def test_at_the_rate_of_the_video_all_gaps_of_the_recipe_occur(dozen, stream):
    steps = steps_of(stream(dozen, gap=(2, 5)), clips=48)
    assert all(len(set(gaps)) == 1 for gaps in steps), "all gaps within one clip must be equal"
    assert {gaps[0] for gaps in steps} == {2, 3, 4, 5}


def test_without_a_rate_each_video_keeps_its_own(tmp_path, stream):
    slow, fast = (index_of(tmp_path / str(rate), [30], rate) for rate in (5, 30))
    for index in (slow, fast):
        assert steps_of(stream(index, gap=(2, 2)), clips=6) == [[2, 2, 2]] * 6
    assert steps_of(stream(fast, fps=10), clips=6) == [[3, 3, 3]] * 6


def test_a_rate_above_that_of_the_video_repeats_no_frame(dozen, stream):
    assert steps_of(stream(dozen, fps=20)) == [[1, 1, 1]] * 24


def test_a_video_too_short_for_the_gap_takes_the_largest_that_fits(tmp_path, stream):
    index = index_of(tmp_path / "short", [8])  # 0.7 s have room for three gaps of two frames
    assert {tuple(gaps) for gaps in steps_of(stream(index, gap=(5, 8)), clips=6)} == {(2, 2, 2)}


def test_a_gap_that_fits_exactly_is_used(tmp_path, stream):
    index = index_of(tmp_path / "short", [10])  # 0.9 s have room for exactly three gaps of three frames
    assert {tuple(gaps) for gaps in steps_of(stream(index, gap=(5, 8)), clips=6)} == {(3, 3, 3)}


@pytest.mark.parametrize("frames, expected", [(2, [0, 1, 1, 1]), (3, [0, 1, 2, 2]), (4, [0, 1, 2, 3])])
def test_a_video_shorter_than_a_clip_repeats_its_last_frame(tmp_path, stream, frames, expected):
    source = stream(index_of(tmp_path / "short", [frames]), gap=(1, 8))
    assert [origin(clip)[1] for clip in clips_of(source, range(3))] == [expected] * 6
    assert source.problems() == []


def two_scenes(path, length=24, cut=12, seed=0):
    """Write a video with a bright scene followed by a dark one."""
    frames = moving_shapes(seed, frames=length, height=48, width=64).frames // 4
    frames[:cut] += 180
    write_video(path, frames, RATE)


def test_no_clip_spans_a_cut(tmp_path, stream):
    for number in range(3):
        (tmp_path / "root").mkdir(exist_ok=True)
        two_scenes(tmp_path / "root" / f"{number}.mp4", seed=number)
    source = stream(VideoIndex(make_index(tmp_path / "root", workers=1, progress=False)[0]), gap=(1, 6))
    bright = clips_of(source, range(12)).float().mean((2, 3, 4)) > 120
    assert (bright.all(1) | ~bright.any(1)).all()
    assert bright.any()
    assert not bright.all()
    assert source.problems() == []


def test_a_clip_may_span_a_cut_if_every_clip_of_the_video_does(tmp_path, stream):
    (tmp_path / "root").mkdir()
    two_scenes(tmp_path / "root" / "a.mp4", length=4, cut=2)
    source = stream(VideoIndex(make_index(tmp_path / "root", workers=1, progress=False)[0]), batch=1)
    bright = source.clips(0)[0].float().mean((1, 2, 3)) > 120
    assert bright.tolist() == [True, True, False, False]
    assert source.problems() == []


def test_large_and_small_videos_are_scaled_for_the_recipe(tmp_path, stream):
    (tmp_path / "root").mkdir()
    for name, size in [("large", (120, 160)), ("small", (24, 32)), ("upright", (100, 60))]:
        write_video(tmp_path / "root" / f"{name}.mp4", moving_shapes(0, frames=8, height=size[0], width=size[1]).frames, RATE)
    source = stream(VideoIndex(make_index(tmp_path / "root", workers=1, progress=False)[0]), batch=3)
    assert sorted(frame.shape[:2] for frame in source.some_frames(3)) == [(48, 64), (48, 64), (80, 48)]
    assert source.clips(0).shape == (3, 4, 32, 32, 3)


# ---- videos that cannot be read


@pytest.fixture
def damaged(dozen, tmp_path):
    """A copy of the dozen in which three videos cannot be read: one is missing, one is empty and one is text."""
    root = tmp_path / "damaged"
    shutil.copytree(dozen.roots[0], root)
    (root / "v03.mp4").unlink()
    (root / "v05.mp4").write_bytes(b"")
    (root / "v08.mp4").write_text("not a video\n" * 100)
    return VideoIndex(root / "tinytrack-index.csv")


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_video_that_cannot_be_read_is_replaced_by_another_and_reported_once(damaged, stream, tmp_path, workers):
    source = stream(damaged, workers)
    videos = [origin(clip)[0] for clip in clips_of(source, range(6))]
    assert set(videos) <= set(range(12)) - {3, 5, 8}
    assert len(videos) == 12
    problems = source.problems()
    assert {name for name, _ in problems} == {"v03.mp4", "v05.mp4", "v08.mp4"}
    assert source.problems() == [], "each problem must be reported only once"
    for name, problem in problems:
        assert_one_sentence(problem, f"'{name}'")
        assert str(tmp_path) not in problem


def test_replacement_videos_do_not_depend_on_the_number_of_workers(damaged, stream):
    alone = stream(damaged)
    expected, problems = clips_of(alone, range(6)), alone.problems()
    for workers in (1, 2):
        other = stream(damaged, workers)
        assert torch.equal(clips_of(other, range(6)), expected)
        assert other.problems() == problems


def test_unreadable_videos_do_not_change_the_other_clips(dozen, damaged, stream):
    whole, left = clips_of(stream(dozen), range(6)), clips_of(stream(damaged), range(6))
    lost = [origin(clip)[0] in (3, 5, 8) for clip in whole]
    assert [not torch.equal(a, b) for a, b in zip(whole, left, strict=True)] == lost


def gone(dozen, tmp_path):
    """A copy of the index of the dozen in a folder without the videos."""
    (tmp_path / "gone").mkdir()
    return VideoIndex(shutil.copy(Path(dozen.roots[0], "tinytrack-index.csv"), tmp_path / "gone"))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_index_without_any_readable_video_is_reported(dozen, tmp_path, stream, workers):
    source = stream(gone(dozen, tmp_path), workers)
    with pytest.raises(VideoError) as error:
        source.clips(0)
    assert_one_sentence(error, f"{TRIES} videos in a row", "no such video: 'v", "if the videos have moved, index them again")


def test_missing_frames_for_the_palette_are_reported(dozen, tmp_path, stream):
    with pytest.raises(VideoError) as error:
        list(stream(gone(dozen, tmp_path)).some_frames(5))
    assert_one_sentence(error, "no video of the index could be read", "if the videos have moved, index them again")


def test_videos_that_reappear_are_read_again(dozen, tmp_path, stream):
    source = stream(gone(dozen, tmp_path), 1)
    with pytest.raises(VideoError):
        source.clips(0)
    for path in Path(dozen.roots[0]).glob("*.mp4"):
        shutil.copy(path, tmp_path / "gone")
    assert torch.equal(source.clips(0), stream(dozen).clips(0))


# ---- sample frames, fingerprints, speed


def test_some_frames_are_middle_frames_of_videos_spread_over_the_index(dozen, stream):
    frames = list(stream(dozen).some_frames(4))
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 4
    assert frames[0].dtype == np.uint8
    seen = [origin(torch.from_numpy(frame)[None]) for frame in frames]
    assert [video for video, _ in seen] == [0, 3, 7, 11]
    assert {number for _, [number] in seen} <= {14, 15}


def test_some_frames_has_at_most_one_frame_per_video(dozen, stream):
    assert [origin(torch.from_numpy(frame)[None])[0] for frame in stream(dozen).some_frames(50)] == list(range(12))


def test_some_frames_skips_videos_that_cannot_be_read(damaged, stream):
    source = stream(damaged)
    videos = [origin(torch.from_numpy(frame)[None])[0] for frame in source.some_frames(12)]
    assert videos == [v for v in range(12) if v not in (3, 5, 8)]


def test_the_fingerprint_depends_only_on_the_videos(dozen, damaged, stream, tmp_path):
    print_of = stream(dozen).fingerprint()
    assert print_of == stream(dozen, 2, seed=1).fingerprint() == stream(damaged).fingerprint()
    assert print_of != stream(index_of(tmp_path / "other", [30] * 11)).fingerprint()


@pytest.mark.parametrize("workers", [0, 2])
def test_the_decoding_capacity_is_measured(dozen, stream, workers):
    source = stream(dozen, workers)
    assert source.capacity() == 0
    began = time.perf_counter()
    clips_of(source, range(6))
    assert source.decoded == 12
    assert source.seconds > 0
    assert source.capacity() == pytest.approx(max(1, workers) * 12 / source.seconds)
    if not workers:
        assert source.seconds <= time.perf_counter() - began


def test_by_default_there_is_one_worker_per_core(dozen, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(5)), raising=False)
    assert ClipStream(dozen, FAST).workers == 5
    monkeypatch.setattr(clip_stream, "local_world_size", lambda: 2)
    assert ClipStream(dozen, FAST).workers == 2, "the two processes must share the cores of this machine"
    monkeypatch.setattr(clip_stream, "local_world_size", lambda: 8)
    assert ClipStream(dozen, FAST).workers == 1


# ---- processes


def gone_within(seconds, pids):
    """Whether all these child processes end within this number of seconds and leave no zombies behind."""
    end = time.monotonic() + seconds
    while set(pids) & set(children()):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@needs_proc
@pytest.mark.parametrize("end", [ClipStream.close, lambda source: source.clips(5)], ids=["closed", "begun elsewhere"])
def test_no_worker_stays_behind(dozen, stream, end):
    before = set(children())
    source = stream(dozen, 2)
    clips_of(source, range(2))
    mine = set(children()) - before
    assert len(mine) == 2
    end(source)
    assert gone_within(5, mine)


@needs_proc
@pytest.mark.parametrize("outcome", ["done", "failed", "interrupted"])
def test_training_leaves_no_worker_behind(dozen, one_thread, outcome):
    before = set(children())
    source = ClipStream(dozen, FAST, 2)
    mine = []

    def on_step(trainer, _):
        mine.extend(set(children()) - before)
        if outcome == "failed":
            raise VideoError("enough")
        if outcome == "interrupted":
            raise KeyboardInterrupt

    try:
        fit(source, dataclasses.replace(FAST, steps=2), progress=False, on_step=on_step)
    except (VideoError, KeyboardInterrupt):
        assert outcome != "done"
    assert len(set(mine)) == 2
    assert gone_within(5, mine)


@needs_proc
def test_no_worker_stays_behind_while_an_error_is_referenced(dozen, stream, monkeypatch):
    before = set(children())
    monkeypatch.setattr(IndexedClips, "draw", lambda *_: 1 // 0)
    source = stream(dozen, 2)
    with pytest.raises(ZeroDivisionError) as error:
        source.clips(0)
    source.close()
    assert gone_within(1, set(children()) - before), error


@needs_proc
def test_a_killed_worker_is_reported(dozen, stream):
    before = set(children())
    source = stream(dozen, 2)
    source.clips(0)
    victim = min(set(children()) - before)
    with pytest.raises(TinytrackError) as error:
        os.kill(victim, signal.SIGKILL)
        clips_of(source, range(1, 9))  # clips that were already decoded may still arrive
    assert_one_sentence(error, "was killed", "--workers")


@needs_proc
def test_a_stream_works_again_after_a_killed_worker(dozen, stream):
    before = set(children())
    source = stream(dozen, 1)
    source.clips(0)
    with pytest.raises(TinytrackError):
        os.kill(*(set(children()) - before), signal.SIGKILL)
        clips_of(source, range(1, 9))
    assert torch.equal(source.clips(4), stream(dozen).clips(4))


@pytest.mark.parametrize("kind", [ConnectionResetError, ConnectionRefusedError, EOFError, FileNotFoundError])
def test_a_clip_lost_in_transit_is_reported_as_a_killed_worker(dozen, stream, kind):
    """A clip arrives as an open file that must be requested from the worker that decoded it, which can fail in several ways."""

    def lost():
        raise kind
        yield

    source = stream(dozen, 1)
    source.clips(0)
    source._clips = lost()
    with pytest.raises(TinytrackError) as error:
        source.clips(1)
    assert_one_sentence(error, "was killed")


def stopped_after_two_steps(source, out):
    """Start a run and interrupt it after two steps."""

    def stop(trainer, _):
        if trainer.count == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(source, FAST, out=out, progress=False, on_step=stop)


def test_a_run_whose_videos_are_gone_reports_its_checkpoint(dozen, stream, tmp_path, one_thread):
    out = tmp_path / "m.pt"
    stopped_after_two_steps(stream(dozen), out)
    with pytest.raises(VideoError) as error:
        source = stream(gone(dozen, tmp_path))
        source.some_frames = stream(dozen).some_frames  # the videos disappear after the palette has been made
        fit(source, FAST, out=out, resume=True, progress=False)
    assert_one_sentence(error, f"{TRIES} videos in a row", str(checkpoint_path(out)), "--resume")


def test_a_run_that_lost_a_worker_reports_its_checkpoint(dozen, stream, tmp_path, one_thread, monkeypatch):
    out = tmp_path / "m.pt"
    stopped_after_two_steps(stream(dozen), out)
    source = stream(dozen)

    def lost(step, which):
        raise LostWorker(LOST)

    monkeypatch.setattr(source, "clips", lost)
    with pytest.raises(LostWorker) as error:
        fit(source, FAST, out=out, resume=True, progress=False)
    assert_one_sentence(error, "was killed", str(checkpoint_path(out)), "--resume")


def test_a_lost_worker_is_reported_once(dozen, stream):
    class Lost:
        def __next__(self):
            raise ConnectionResetError

        def _shutdown_workers(self):
            raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed. ")

    source = stream(dozen, 1)
    source.clips(0)
    source._clips = Lost()
    try:
        with pytest.raises(TinytrackError):
            source.clips(1)
    finally:
        source._clips = iter(())


@needs_proc
def test_a_worker_killed_while_the_network_computes_is_reported(dozen, one_thread):
    before = set(children())

    def on_step(*_):
        os.kill(min(set(children()) - before), signal.SIGKILL)
        time.sleep(2)

    with pytest.raises(TinytrackError) as error:
        fit(ClipStream(dozen, FAST, 2), FAST, progress=False, on_step=on_step)
    assert_one_sentence(error, "was killed", "--workers")


@needs_proc
def test_workers_ignore_ctrl_c(dozen, stream):
    expected = clips_of(stream(dozen), range(8))
    before = set(children())
    source = stream(dozen, 2)
    first = source.clips(0)
    workers = set(children()) - before
    for pid in workers:
        os.kill(pid, signal.SIGINT)
    assert torch.equal(torch.cat([first, clips_of(source, range(1, 8))]), expected)
    assert workers <= set(children())
    assert len(workers) == 2


@needs_proc
def test_workers_end_on_sigterm_after_a_grace_period(dozen, stream, monkeypatch):
    """``_deferred_interrupt`` holds SIGTERM back in the training process when workers start; they must still end."""
    monkeypatch.setattr(clip_stream, "GRACE", 1.0)
    before = set(children())
    held = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        source = stream(dozen, 1)
        source.clips(0)
    finally:
        signal.signal(signal.SIGTERM, held)
    [worker] = set(children()) - before
    with contextlib.suppress(RuntimeError):  # torch raises it when it notices
        os.kill(worker, signal.SIGTERM)
        time.sleep(0.3)
        assert alive(worker), "the current step still needs the worker"
        time.sleep(2)
    assert not alive(worker)


def memory(pid):
    """The resident memory of a process in megabytes."""
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def give_back_free_memory():
    """Return unused memory to the system; otherwise the allocator's reserve varies by some megabytes and hides small leaks."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only in glibc
    if trim is not None:
        trim(0)


@needs_proc
def test_memory_stays_flat_from_epoch_to_epoch(dozen, stream):
    """An epoch has 12 clips of 197 kB: if the two workers kept their clips, each would grow by 18 MB in 16 epochs."""
    before = set(children())
    source = stream(dozen, 2, height=128, crop=128, batch=12)

    def least_memory(epochs):
        """Each process's least memory between the epochs: clips in transit come and go, but what leaks stays."""
        found = []
        for epoch in epochs:
            source.clips(epoch)
            found.append([memory(pid) for pid in (os.getpid(), *sorted(set(children()) - before))])
        return np.min(found, axis=0)

    least_memory(range(8))  # until everything is imported
    first = least_memory(range(8, 14))
    open_files = len(os.listdir("/proc/self/fd"))
    least_memory(range(14, 24))
    last = least_memory(range(24, 30))  # 16 epochs later
    assert len(last) == 3
    assert (last - first).max() < 12
    assert len(os.listdir("/proc/self/fd")) <= open_files + 12, "only clips in transit may hold open files"


# ---- end to end


def small_video(path, frames, fast=False):
    """Write a video with 12 frames per second, a key frame every four frames, and its index at the end or (``fast``) at the start."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "faststart"} if fast else {}) as container:
        stream = container.add_stream("libx264", rate=12)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.options = {"crf": "20", "preset": "ultrafast", "g": "4"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


def shortened(path, share):
    os.truncate(path, int(path.stat().st_size * share))


BEFORE = {  # damage that indexing must report
    "empty": lambda path, frames: path.write_bytes(b""),
    "text": lambda path, frames: path.write_bytes(TEXT),
    "noise": lambda path, frames: path.write_bytes(RANDOM),
    "cut before its index": lambda path, frames: shortened(path, 0.7),
    "cut behind its index": lambda path, frames: (small_video(path, frames, fast=True), shortened(path, 0.7)),
    "one frame": lambda path, frames: small_video(path, frames[:1]),
    "a damaged end": lambda path, frames: damaged_between(path, 12, 23),
    "sound": lambda path, frames: sound(path),
}
WITHIN = {  # damage that only training can notice: all but the first and last four frames are lost
    "noise in the middle": lambda path, frames: damaged_between(path, 4, 20),
    "zeros in the middle": lambda path, frames: damaged_between(path, 4, 20, "zeros"),
}
AFTER = {  # damage that happens after indexing
    "gone": lambda path, frames: path.unlink(),
    "cut to a tenth": lambda path, frames: (small_video(path, frames, fast=True), shortened(path, 0.1)),
    "written over": lambda path, frames: path.write_bytes(TEXT),
}


@needs_proc
def test_training_on_five_hundred_videos_with_25_corrupt_ones(cli, tmp_path, one_thread, capfd):
    """Each corrupt file is reported exactly once, by the index or in training; none ends the run, and memory does not grow."""
    root = tmp_path / "videos"
    scenes = [moving_shapes(seed, frames=24, height=72, width=96).frames for seed in range(4)]
    names = [f"{i % 10}/v{i:03d}.mp4" for i in range(500)]
    for i, name in enumerate(names):
        small_video(root / name, np.roll(scenes[i % 4], i, axis=2))
    corrupt = [names[i] for i in np.random.default_rng(0).choice(500, 25, replace=False)]
    ways = [*BEFORE.items(), *WITHIN.items()] * 2  # 20 files now, five more after indexing
    for name, (_, spoil) in zip(corrupt, ways, strict=False):
        spoil(root / name, scenes[0])

    done = cli("data", "index", root, "--workers", 2)
    assert done.status == 0
    assert done.said == []
    *skipped, total, _ = done.out.splitlines()
    assert total.startswith("484 videos, 0.26 hours, ")
    assert ", 16 skipped: " in total
    for name, (_, spoil) in zip(corrupt[20:], [*AFTER.items()] * 2, strict=False):
        spoil(root / name, scenes[0])

    recipe = dataclasses.replace(FAST, batch=4, steps=200, fps=6, gap=(1, 8), warmup=20)
    before, losses, held = set(children()), [], []

    def on_step(trainer, loss):
        losses.append(loss)
        if trainer.count % 20 == 0:
            give_back_free_memory()
            held.append([memory(pid) for pid in [os.getpid(), *sorted(set(children()) - before)]])

    model = fit(ClipStream(VideoIndex(root / "tinytrack-index.csv"), recipe, 2), recipe, progress=False, on_step=on_step)
    said = capfd.readouterr().err.splitlines()
    assert len(losses) == 200
    assert np.isfinite(losses).all()
    assert all(line.startswith("skipped: '") for line in skipped)
    assert all(line.startswith("tinytrack: skipping a video") for line in said)
    named = [re.search(r"'(\d/v\d{3}\.mp4)'", line)[1] for line in skipped + said]
    assert sorted(named) == sorted(corrupt)
    assert sorted(model.card["unreadable"]) == sorted(corrupt[i] for i in (8, 9, 18, 19, *range(20, 25)))
    # A clip has 4 x 32 x 32 x 3 bytes = 12 kB. If the training process kept one clip per step, it would grow by 1.2 MB in half of the
    # steps; its memory is steady to 0.1 MB. We cannot trim the workers' memory from here. It grows by up to 4 MB, until their allocator
    # has a large enough reserve. If a worker kept two clips per step, each with at least 4 decoded frames of 10 kB, that would be 8 MB.
    training, *decoding = np.array(held).T
    assert len(decoding) == 2
    assert len(training) == 10
    assert training[5:].max() - training[:5].max() < 1
    assert all(one[5:].max() - one[:5].max() < 7 for one in decoding)
