"""Test the commands with files as people have them, and that nothing of theirs is ever lost."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.helpers import assert_one_sentence, index_frames
from tests.support.small import FRAMES, JOINTS, H, W, scene, square_mask, without_color, write_frames
from tests.support.unusual_videos import add_cover, tracks, write_clip
from tinytrack.color import frames_to_lab
from tinytrack.io.decode import FrameLog
from tinytrack.io.masks import read_mask, write_mask
from tinytrack.io.video import open_video, read_video
from tinytrack.io.video_writer import write_video

pytestmark = pytest.mark.usefixtures("small")

TIMES = [0, 100, 200, 1200, 2200, 3200]


def snapshot(folder):
    """Everything below a folder: path -> its bytes, the target of a link, or None for a folder."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        content = os.readlink(path) if path.is_symlink() else None if path.is_dir() else path.read_bytes()
        found[str(path.relative_to(folder))] = content
    return found


@pytest.fixture
def track(cli, given):
    """``track(video, "--out", "out", ...)`` runs the command with the small mask and model unless other ones are given."""

    def run(video, *more):
        mask = [] if "--mask" in more else ["--mask", given.mask]
        return cli("track", video, *mask, "--model", given.model, "--protocol", "modern", *more)

    return run


def assert_refused(result, *parts):
    assert result.status == 2, result.err
    assert len(result.said) == 1, result.err
    assert_one_sentence(result.said[0], *parts)


# ---- nothing of the user's is replaced


def test_masks_that_the_user_drew_are_not_replaced(track, given, here):
    (here / "masks").mkdir()
    shutil.copy(given.clip, here / "clip.mp4")
    shutil.copy(given.mask, here / "masks/00000.png")
    (here / "masks/notes.txt").write_text("drawn by hand in two days")
    before = snapshot(here)
    assert_refused(track("clip.mp4", "--mask", "masks/00000.png", "--out", "."), "masks", "--out")
    assert snapshot(here) == before


@pytest.mark.parametrize("link", [False, True], ids=["itself", "through a link"])
def test_an_input_is_not_replaced_by_a_result(track, cli, given, here, link):
    shutil.copy(given.clip, here / "overlay.mp4")
    shutil.copy(given.gray, here / "colorized.mp4")
    folder = "."
    if link:
        (here / "elsewhere").symlink_to(here)
        folder = "elsewhere"
    before = snapshot(here)
    assert_refused(track("overlay.mp4", "--out", folder), "overlay.mp4", "--out")
    colorize = ("colorize", "colorized.mp4", "--reference", given.color, "--model", given.model)
    assert_refused(cli(*colorize, "--out", folder), "colorized.mp4", "--out")
    assert snapshot(here) == before


def test_two_commands_do_not_replace_each_others_overlay(track, cli, given, here):
    assert track(given.clip, "--out", "out").status == 0
    before = snapshot(here / "out")
    pose = ("pose", given.clip, "--joints", given.joints, "--model", given.model)
    assert_refused(cli(*pose, "--out", "out"), "overlay.mp4", "'track'", "--out")
    assert snapshot(here / "out") == before
    assert cli(*pose, "--out", "other").status == 0


def test_a_mask_that_was_corrected_by_hand_is_not_replaced(track, given, here):
    assert track(given.clip, "--out", "out").status == 0
    assert track(given.clip, "--out", "out").status == 0, "results that nobody changed are replaced"
    write_mask("out/masks/00003.png", np.ones((H, W), np.uint8))
    before = snapshot(here / "out")
    assert_refused(track(given.clip, "--out", "out"), "masks")
    assert snapshot(here / "out") == before


# ---- masks


def test_the_objects_that_were_found_are_printed(track, given, here):
    mask = square_mask()
    mask[30:40, 40:50] = 100
    Image.fromarray(mask).save("two.png")
    result = track(given.clip, "--mask", "two.png", "--out", "out")
    assert result.status == 0, result.err
    assert "objects in frame 0: 1 (100 pixels), 2 (256 pixels)" in result.out


def test_a_mask_from_labelme_is_tracked(track, given, here):
    shape = {"label": "box", "points": [[16, 8], [31, 8], [31, 23], [16, 23]], "shape_type": "polygon", "group_id": None}
    Path("m.json").write_text(json.dumps({"version": "5.0", "shapes": [shape], "imageHeight": H, "imageWidth": W}))
    assert track(given.clip, "--mask", "m.json", "--out", "out").status == 0
    ids = read_mask("out/masks/00000.png")
    assert ((ids == 1) & (square_mask() > 0)).sum() > 0.9 * (ids == 1).sum() > 200


# ---- from, to, and the middle


def test_tracking_starts_in_the_middle_and_runs_in_both_directions(track, given, here):
    """Each half must match the result for a video that starts at the marked frame and runs in that direction."""
    frames = scene()
    shutil.copytree(write_frames(here / "all", frames), here / "same")
    write_frames(here / "after", frames[3:])
    write_frames(here / "before", frames[3::-1])
    assert track("all", "--mask-frame", "3", "--out", "out").status == 0
    for name in ("after", "before"):
        assert track(name, "--out", f"out-{name}").status == 0
    after = [read_mask(f"out-after/masks/{n:05d}.png") for n in range(3)]
    before = [read_mask(f"out-before/masks/{n:05d}.png") for n in range(4)]
    expected = [*before[:0:-1], *after]
    for n in range(FRAMES):
        np.testing.assert_array_equal(read_mask(f"out/masks/{n:05d}.png"), expected[n], err_msg=f"frame {n}")
    assert len(read_video("out/overlay.mp4")) == FRAMES


@pytest.mark.parametrize(
    "span, numbers",
    [
        (["--start", "1", "--end", "4"], [1, 2, 3, 4]),
        (["--start", "0.11s"], [2, 3, 4, 5]),
        (["--end", "1.5"], [0, 1, 2, 3]),
        (["--start", "0:01", "--end", "0:02.3"], [3, 4]),
    ],
    ids=["frames", "from a time", "to a time", "minutes"],
)
@pytest.mark.parametrize("command", ["track", "pose", "colorize"])
def test_only_the_chosen_part_is_tracked_and_keeps_its_numbers(cli, given, here, command, span, numbers):
    write_clip(here / "clip.mp4", scene(), TIMES)
    first = numbers[0]
    labels = {"track": ["--mask", given.mask], "pose": ["--joints", given.joints], "colorize": ["--reference", str(first)]}[command]
    result = cli(command, "clip.mp4", *labels, *span, "--model", given.model, "--out", "out")
    assert result.status == 0, result.err
    log = FrameLog()
    name = "colorized" if command == "colorize" else "overlay"
    list(open_video(f"out/{name}.mp4").frames(log=log))
    np.testing.assert_allclose(log.times, (np.array(TIMES)[numbers] - TIMES[first]) / 1000, atol=0.002)
    if command == "track":
        assert sorted(os.listdir("out/masks")) == [f"{n:05d}.png" for n in numbers]
    if command == "pose":
        with open("out/joints.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert sorted({int(row["frame"]) for row in rows}) == numbers
        times = {int(row["frame"]): float(row["seconds"]) for row in rows}
        np.testing.assert_allclose([times[n] for n in numbers], np.array(TIMES)[numbers] / 1000, atol=0.002)


def test_several_masks_restart_from_the_truth(track, given, here):
    write_frames(here / "frames", scene())
    moved = np.roll(square_mask(), 20, axis=0)
    Image.fromarray(moved).save("later.png")
    assert track("frames", "--mask", f"1={given.mask}", "--mask", "4=later.png", "--out", "out").status == 0
    write_frames(here / "rest", scene()[4:])
    assert track("rest", "--mask", "later.png", "--out", "rest-out").status == 0
    for n, name in ((4, "00000"), (5, "00001")):
        np.testing.assert_array_equal(read_mask(f"out/masks/{n:05d}.png"), read_mask(f"rest-out/masks/{name}.png"))
    np.testing.assert_array_equal(read_mask("out/masks/00001.png") > 0, square_mask() > 0)
    np.testing.assert_array_equal(read_mask("out/masks/00004.png") > 0, moved > 0)


def test_several_joints_files_restart_from_the_truth(cli, given, here):
    moved = {"joints": {"nose": [5, 40], "tail": [50, 10]}, "edges": []}
    Path("later.json").write_text(json.dumps(moved))
    pose = ("pose", given.clip, "--model", given.model, "--joints", f"0={given.joints}")
    assert cli(*pose, "--joints", "3=later.json", "--out", "out").status == 0
    with open("out/joints.csv", newline="") as file:
        rows = {(int(row["frame"]), row["joint"]): (float(row["x"]), float(row["y"])) for row in csv.DictReader(file)}
    assert rows[3, "nose"] == (5, 40)
    assert rows[0, "tail"] == tuple(JOINTS["joints"]["tail"])
    Path("others.json").write_text(json.dumps({"joints": {"ear": [3, 3]}}))
    assert_refused(cli(*pose, "--joints", "3=others.json", "--out", "out2"), "others.json", "same names")


WRONG_SPANS = {
    "mask outside": (["--mask-frame", "5", "--end", "3"], "frame 5"),
    "mask after the end": (["--mask-frame", "40"], "no frame 40"),
    "end before start": (["--start", "4", "--end", "2"], "later end"),
    "start after the end": (["--start", "100"], "0 frame"),
    "time after the end": (["--start", "60s"], "no frame at 60 s"),
    "one frame": (["--start", "5"], "1 frame"),
    "a negative number": (["--start", "-1"], "argument"),
    "no number": (["--end", "later"], "expected the number of a frame"),
}


@pytest.mark.parametrize("kind", WRONG_SPANS)
def test_a_part_that_is_not_there_is_refused(track, given, here, kind):
    span, part = WRONG_SPANS[kind]
    before = snapshot(here)
    assert_refused(track(given.clip, *span, "--out", "out"), part)
    assert snapshot(here) == before


def test_a_colour_frame_outside_of_the_part_is_refused(cli, given, here):
    colorize = ("colorize", given.clip, "--model", given.model, "--start", "2")
    assert_refused(cli(*colorize, "--reference", "0", "--out", "out"), "frame 0", "from frame 2")
    assert cli(*colorize, "--out", "out").status == 0


@pytest.mark.parametrize(
    "masks, part",
    [
        (["a.png", "b.png"], "does not say its frame"),
        (["0=a.png", "0=b.png"], "frame 0 twice"),
        (["0=a.png", "3=missing.png"], "missing.png"),
        (["0=a.png", "30=b.png"], "ends after 6 frames"),
    ],
)
def test_masks_that_do_not_say_their_frames_are_refused(track, given, here, masks, part):
    for name in ("a.png", "b.png"):
        shutil.copy(given.mask, here / name)
    assert_refused(track(given.clip, *(word for mask in masks for word in ("--mask", mask)), "--out", "out"), part)
    assert not (here / "out").exists()


def test_a_file_whose_name_looks_like_a_frame_and_a_file_is_that_file(track, given, here):
    shutil.copy(given.mask, here / "0=a.png")
    assert track(given.clip, "--mask", "0=a.png", "--out", "out").status == 0


# ---- frames


def test_results_bear_the_names_of_the_frames(track, cli, given, here):
    folder = here / "frames"
    folder.mkdir()
    for n, frame in enumerate(scene(4)):
        Image.fromarray(frame).save(folder / f"img_{100 + 10 * n}.png")
    assert track("frames", "--out", "out").status == 0
    assert sorted(os.listdir("out/masks")) == ["img_100.png", "img_110.png", "img_120.png", "img_130.png"]
    assert cli("pose", "frames", "--joints", given.joints, "--model", given.model, "--out", "out2").status == 0
    with open("out2/joints.csv", newline="") as file:
        assert [row["picture"] for row in csv.DictReader(file)][::2] == ["img_100", "img_110", "img_120", "img_130"]


def test_a_folder_of_frames_and_masks_is_refused(track, here):
    write_frames(here / "frames", scene())
    for n in range(FRAMES):
        Image.fromarray(square_mask()).save(here / "frames" / f"{n:05d}.jpg")
    assert_refused(track("frames", "--out", "out"), "00000.png", "00000.jpg", "2 series")


def test_a_reference_with_an_orientation_is_turned(cli, given, here):
    tags = Image.Exif()
    tags[0x0112] = 3
    Image.fromarray(np.rot90(scene()[0], 2)).save("ref:0.png", exif=tags)
    assert cli("colorize", given.gray, "--reference", "ref:0.png", "--model", given.model, "--out", "out").status == 0
    colors = frames_to_lab(read_video("out/colorized.mp4")[0])[1:]
    assert float((colors - frames_to_lab(scene()[0])[1:]).abs().mean()) < 8


# ---- videos


def test_the_sound_is_kept_in_every_result(track, cli, given, here):
    write_clip(here / "clip.mp4", scene(), sound="aac")
    write_clip(here / "gray.mp4", without_color(scene()), sound="aac")
    assert track("clip.mp4", "--out", "a").status == 0
    assert cli("pose", "clip.mp4", "--joints", given.joints, "--model", given.model, "--out", "b").status == 0
    assert cli("colorize", "gray.mp4", "--reference", given.color, "--model", given.model, "--out", "c").status == 0
    for name in ("a/overlay.mp4", "b/overlay.mp4", "c/colorized.mp4"):
        said = tracks(name)
        assert said["sound"] == "aac", name
        assert abs(said["sound_seconds"] - 0.6) < 0.06, name
        assert (said["colorspace"], said["range"], said["primaries"]) == (1, 1, 1), name


def test_a_video_with_a_cover_is_tracked(track, here):
    add_cover(here / "clip.mp4", scene(), np.full((96, 128, 3), 200, np.uint8))
    assert "through 6 frames" in track("clip.mp4", "--out", "out").out


def test_a_damaged_frame_is_reported(track, make_video, here):
    import av

    path = make_video("a.avi", frames=scene(20), codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(path)) as container:
        place, size = [(p.pos, p.size) for p in container.demux(video=0) if p.size][10]
    content = bytearray(path.read_bytes())
    content[place : place + size] = bytes(size)
    path.write_bytes(content)
    result = track(path, "--out", "out")
    assert result.status == 0, result.err
    assert "1 frame(s) cannot be decoded, so the one before is repeated: 10" in result.out
    assert len(os.listdir("out/masks")) == 20


def test_hdr_is_said(track, here):
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": 16}
    write_clip(here / "a.mp4", scene(), tags=tags)
    assert "HDR (PQ)" in track("a.mp4", "--out", "out").out


@pytest.mark.parametrize("out", ["run:1", "http:out", "https:/x/y", "file:x"])
def test_an_output_folder_is_never_an_address(track, given, here, out):
    assert track(given.clip, "--out", out).status == 0
    assert len(read_video(here / out / "overlay.mp4")) == FRAMES


def test_a_video_that_becomes_smaller_is_refused(track, here):
    first = write_clip(here / "a.ts", scene(3))
    second = write_clip(here / "b.ts", scene(3, 32, 32))
    (here / "c.ts").write_bytes(first.read_bytes() + second.read_bytes())
    before = snapshot(here)
    assert_refused(track("c.ts", "--out", "out"), "32x32", f"{W}x{H}")
    assert snapshot(here) == before


# ---- index


def test_the_index_lists_whatever_can_be_tracked_and_names_the_rest(cli, here):
    folder = here / "videos"
    folder.mkdir()
    frames = index_frames(12)
    for name in ("a.ts", "b.mkv", "c.mp4"):
        write_clip(folder / name, frames)
    shutil.move(folder / "a.ts", folder / "00001.MTS")
    write_clip(folder / "e.mp4", frames).rename(folder / "no ending")
    (folder / "notes.txt").write_text("shopping list")
    (folder / "broken.mp4").write_bytes(b"no video")
    stack = folder / "stack"
    stack.mkdir()
    Image.fromarray(frames[0]).save(stack / "a.tif", save_all=True, append_images=[Image.fromarray(f) for f in frames[1:]])
    result = cli("data", "index", "videos", "--workers", "1")
    assert result.status == 0, result.err
    assert "5 videos" in result.out
    assert "left out, because they are no videos: notes.txt" in result.out
    assert "skipped: 'broken.mp4'" in result.out
    listed = Path("videos/tinytrack-index.csv").read_text()
    for name in ("00001.MTS", "b.mkv", "c.mp4", "no ending", "stack/a.tif"):
        assert f"{name}," in listed


def test_each_stack_of_a_folder_is_a_video_of_its_own(cli, here):
    folder = here / "v"  # a name that is also in other words of a message
    folder.mkdir()
    pages = [Image.fromarray(frame) for frame in index_frames(6)]
    for name in ("a.tif", "b.tif"):
        pages[0].save(folder / name, save_all=True, append_images=pages[1:])
    write_frames(folder / "mixed", scene(3))
    Image.fromarray(scene()[0]).save(folder / "mixed/left_0.png")
    result = cli("data", "index", "v", "--workers", "1")
    assert result.status == 0, result.err
    assert "2 videos" in result.out
    assert "expected the frames of one video, so move the others" in result.out, "a short path must not be replaced inside words"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_not_waited_for(track, cli, here, make_video):
    make_video("videos/a.mp4", frames=12)
    folder = make_video("videos/b.mp4", frames=12).parent
    os.mkfifo(folder / "pipe.mp4")
    assert "2 videos" in cli("data", "index", folder, "--workers", "1").out
    assert_refused(track(folder / "pipe.mp4", "--out", "out"), "pipe.mp4", "neither a file nor a folder")


def test_a_file_that_is_no_index_is_not_replaced_by_one(cli, here, make_video):
    make_video("videos/a.mp4")
    Path("mine.csv").write_text("my,own,table\n")
    result = cli("data", "index", make_video("videos/a.mp4").parent, "--out", "mine.csv")
    assert_refused(result, "mine.csv")
    assert Path("mine.csv").read_text() == "my,own,table\n"


def test_a_video_is_not_replaced_by_weights(cli, given, here):
    shutil.copy(given.clip, here / "clip.mp4")
    before = snapshot(here)
    assert_refused(cli("train", "clip.mp4", "--steps", "1", "--out", "clip.mp4"), "clip.mp4")
    assert snapshot(here) == before


def test_a_written_overlay_is_not_read_as_another_rate(tmp_path):
    video = open_video(write_clip(tmp_path / "a.mkv", scene(), [40 * n for n in range(FRAMES)]))
    log = FrameLog()
    write_video(tmp_path / "b.mp4", video.frames(log=log), video.fps, like=video, log=log)
    assert open_video(tmp_path / "b.mp4").fps == pytest.approx(25, rel=0.01)
