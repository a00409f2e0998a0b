"""Test reading and writing videos: containers, rotation, scaling, damaged files, seeking, leftover files, and shot detection."""

import contextlib
import io
import itertools
import os
import shutil
import struct
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

import tinytrack.io.video as video_module
from tests.support.broken_files import RANDOM, TEXT, TURNS, cut, damaged_between, noise, patch_matrix
from tests.support.helpers import H, W, assert_one_sentence, index_frames, indices_of
from tests.support.unusual_videos import write_clip
from tinytrack.datasets.clips import open_clip
from tinytrack.datasets.synth import moving_shapes
from tinytrack.errors import OutputError, VideoError
from tinytrack.io import decode, seek
from tinytrack.io.cuts import find_cuts
from tinytrack.io.frames import fit_size
from tinytrack.io.video import Video, open_video, read_video
from tinytrack.io.video_writer import write_video

KINDS = [
    ("a.mp4", {}),
    ("a.mov", {}),
    ("a.webm", {}),
    ("vp8.webm", {"codec": "libvpx"}),
    ("a.gif", {}),
    ("a.avi", {}),
    ("mjpeg.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
]


# ---- reading


@pytest.mark.parametrize("name, options", KINDS, ids=[name for name, _ in KINDS])
def test_each_file_type_gives_all_frames_in_order_with_the_right_colours(make_video, name, options):
    video = read_video(make_video(name, frames=20, **options))
    assert video.shape == (20, H, W, 3)
    assert video.dtype == np.uint8
    assert indices_of(video) == list(range(20))
    assert np.abs(video[:, 2:10, 2:14].mean((0, 1, 2)) - (250, 250, 0)).max() < 12, "the top left corner must be yellow"
    assert np.abs(video[:, -10:-2, 2:14].mean((0, 1, 2)) - (0, 0, 250)).max() < 12, "the bottom left corner must be blue"


@pytest.mark.parametrize("ending, error", [("png", 0), ("bmp", 0), ("jpg", 5)])
def test_a_folder_gives_its_pictures_in_order(make_folder, ending, error):
    video = read_video(make_folder(frames=6, form="{:05d}." + ending))
    assert np.abs(video[:, :, 40:].astype(int) - index_frames(6)[:, :, 40:]).max() <= error


def test_a_folder_is_sorted_by_frame_number(make_folder):
    # The files are frame7.png to frame12.png. Sorted as text, "frame10" would come before "frame7".
    folder = make_folder(frames=13, form="frame{}.png")
    for index in range(7):
        (folder / f"frame{index}.png").unlink()
    assert indices_of(read_video(folder)) == [7, 8, 9, 10, 11, 12]


def test_files_in_a_folder_that_are_not_pictures_are_ignored(make_folder):
    folder = make_folder(frames=3)
    (folder / "notes.txt").write_text("not a frame")
    (folder / ".00009.png").write_bytes(b"a leftover of another program")
    assert indices_of(read_video(folder)) == [0, 1, 2]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_pictures_of_any_mode_become_rgb(tmp_path, mode):
    from PIL import Image

    gray = np.repeat(np.array([[0, 255]], np.uint8), 8, axis=1).repeat(8, axis=0)  # black on the left, white on the right
    if mode == "I;16":
        picture = Image.fromarray(gray.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(gray).convert(mode)
    assert picture.mode == mode
    picture.save(tmp_path / "0.png")
    video = read_video(tmp_path)
    assert video.shape == (1, 8, 16, 3)
    assert (video[0, :, :8] == 0).all()
    assert (video[0, :, 8:] == 255).all()


def test_size_rate_and_title_are_known_before_reading_frames(make_video, make_folder):
    video = open_video(make_video(frames=5, fps=12))
    assert (video.height, video.width, video.fps, video.title) == (H, W, 12.0, "clip.mp4")
    folder = open_video(make_folder(frames=2))
    assert (folder.height, folder.width, folder.fps) == (H, W, 24.0)


# ---- sizes, fps, ranges


@pytest.mark.parametrize(
    "height, width, size, multiple, expected",
    [
        (480, 854, None, 1, (480, 854)),
        (480, 854, 240, 1, (240, 427)),
        (1920, 1080, 240, 1, (427, 240)),  # in portrait, the width is the shorter side; 426.67 is rounded up
        (480, 854, (100, 50), 1, (100, 50)),
        (480, 854, None, 8, (480, 856)),
        (480, 854, (100, 3), 8, (96, 8)),  # at least one multiple
    ],
)
def test_fit_size(height, width, size, multiple, expected):
    assert fit_size(height, width, size, multiple) == expected


@pytest.mark.parametrize("size, expected", [(None, (48, 64)), (24, (24, 32)), (96, (96, 128)), ((20, 50), (20, 50))])
def test_size_of_files_and_folders(make_video, make_folder, size, expected):
    for path in (make_video(frames=3), make_folder(frames=3)):
        video = read_video(path, size=size)
        assert video.shape == (3, *expected, 3)
        assert indices_of(video) == [0, 1, 2]


def test_an_int_size_is_the_shorter_side_in_portrait_too(make_video):
    assert read_video(make_video(frames=2, height=64, width=48), size=24).shape == (2, 32, 24, 3)


@pytest.mark.parametrize(
    "fps, kept",
    [
        (10, list(range(20))),
        (5, list(range(0, 20, 2))),
        (4, [0, 3, 5, 8, 10, 13, 15, 18]),  # in steps of 2.5, rounded up
        (3, [0, 4, 7, 10, 14, 17]),  # in steps of 3.33, rounded up
        (0.5, [0]),
        (30, list(range(20))),  # frames are never repeated
    ],
)
def test_fps_drops_frames_evenly(make_video, fps, kept):
    assert indices_of(read_video(make_video(frames=20, fps=10), fps=fps)) == kept


def test_a_folder_is_assumed_to_have_24_frames_per_second(make_folder):
    assert indices_of(read_video(make_folder(frames=9), fps=6)) == [0, 4, 8]


@pytest.mark.parametrize("fps", [0, -1])
def test_fps_must_be_positive(make_video, fps):
    with pytest.raises(VideoError, match="positive") as error:
        read_video(make_video(frames=2), fps=fps)
    assert_one_sentence(error, fps)


@pytest.mark.parametrize("wanted, given", [(1, 1), (7, 7), (12, 12), (99, 12)])
def test_max_frames(make_video, make_folder, wanted, given):
    for path in (make_video(frames=12), make_folder(frames=12)):
        assert indices_of(read_video(path, max_frames=wanted)) == list(range(given))


def test_max_frames_counts_frames_that_fps_keeps(make_video):
    assert indices_of(read_video(make_video(frames=20, fps=10), fps=5, max_frames=3)) == [0, 2, 4]


def test_parts_of_parts(make_video, make_folder):
    for path in (make_video(frames=20), make_folder(frames=20)):
        part = open_video(path).part(5, 15, "middle")
        assert part.title == "middle"
        assert indices_of(part.read()) == list(range(5, 15))
        assert indices_of(part.part(2, 4).read()) == [7, 8]
        assert indices_of(part.part(8, None).read()) == [13, 14]


def test_a_range_without_frames_is_reported(make_video):
    with pytest.raises(VideoError) as error:
        open_video(make_video(frames=3)).part(10, 20).read()
    assert_one_sentence(error, "clip.mp4", "no frames")


# ---- streaming


def count_calls(monkeypatch, decoder, converter):
    """Count the frames that a decoding generator yields and the calls of a conversion, each given as (module, name)."""
    counts = {"decoded": 0, "converted": 0}
    decoding, convert = getattr(*decoder), getattr(*converter)

    def counting_decode(*args):
        for frame in decoding(*args):
            counts["decoded"] += 1
            yield frame

    def counting_convert(*args):
        counts["converted"] += 1
        return convert(*args)

    monkeypatch.setattr(*decoder, counting_decode)
    monkeypatch.setattr(*converter, counting_convert)
    return counts


@pytest.fixture
def counted(monkeypatch):
    """Count how many frames were decoded and how many were converted to arrays."""
    return count_calls(monkeypatch, (decode, "decode"), (decode, "upright"))


def test_frames_are_decoded_only_when_they_are_requested(make_video, counted):
    frames = open_video(make_video(frames=60)).frames()
    assert counted == {"decoded": 0, "converted": 0}
    assert indices_of(itertools.islice(frames, 2)) == [0, 1]
    assert counted == {"decoded": 2, "converted": 2}


def test_dropped_frames_are_not_converted(make_video, counted):
    video = read_video(make_video(frames=60, fps=10), fps=1)
    assert len(video) == counted["converted"] == 6


def test_a_picture_in_a_folder_is_read_only_when_it_is_requested(make_folder):
    folder = make_folder(frames=4)
    (folder / "00003.png").write_bytes(b"damaged")
    assert indices_of(itertools.islice(open_video(folder).frames(), 3)) == [0, 1, 2]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed in /proc on Linux only")
def test_the_file_is_closed_when_reading_ends_early(make_video):
    path = make_video(frames=30)

    def handles():
        links = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{n}")]
        return links.count(str(path))

    frames = open_video(path).frames()
    next(frames)
    assert handles() == 1
    frames.close()
    assert handles() == 0


# ---- rotated phone videos

# ISO 14496-12 stores a matrix that maps each pixel (p, q) to its place on the display, with p to the right and q down:
# (p, q, 1) @ [[a, b, u], [c, d, v], [x, y, w]]. With a, b, c, d = 0, 1, -1, 0, the top left corner (0, 0) moves to
# (x, 0) = (stored height, 0), which is the top right corner. The picture is turned clockwise by 90 degrees.


@pytest.mark.parametrize("turn", TURNS)
def test_phone_videos_are_turned_upright(make_video, turn):
    matrix, rotate = TURNS[turn]
    path = make_video(frames=4)
    expected = rotate(read_video(path))
    patch_matrix(path, *matrix)
    video = open_video(path)
    assert (video.height, video.width) == expected.shape[1:3]
    np.testing.assert_array_equal(video.read(), expected)


def test_a_clockwise_quarter_turn_moves_the_top_left_to_the_top_right(make_video):
    path = make_video(frames=1)
    patch_matrix(path, *TURNS["clockwise"][0])
    frame = read_video(path)[0]
    assert frame.shape == (64, 48, 3)
    assert np.abs(frame[2:14, -10:-2].mean((0, 1)) - (250, 250, 0)).max() < 12, "the yellow corner was at the top left"
    assert np.abs(frame[2:14, 2:10].mean((0, 1)) - (0, 0, 250)).max() < 12, "the blue corner was at the bottom left"


@pytest.mark.parametrize("size, expected", [(24, (32, 24)), ((40, 20), (40, 20)), (None, (64, 48))])
def test_sizes_refer_to_the_rotated_video(make_video, size, expected):
    matrix, rotate = TURNS["clockwise"]
    path = make_video(frames=2)
    plain = rotate(read_video(path, size=size if size is None or isinstance(size, int) else size[::-1]))
    patch_matrix(path, *matrix)
    video = read_video(path, size=size)
    assert video.shape == (2, *expected, 3)
    np.testing.assert_array_equal(video, plain)


# ---- bad videos


def put(path, content):
    path.write_bytes(content)
    return path


SOURCES = {
    "missing": lambda tmp, make, folder: tmp / "missing.mp4",
    "a name too long": lambda tmp, make, folder: tmp / ("x" * 300 + ".mp4"),
    "empty": lambda tmp, make, folder: put(tmp / "empty.mp4", b""),
    "text": lambda tmp, make, folder: put(tmp / "list.txt", TEXT),
    "text as mp4": lambda tmp, make, folder: put(tmp / "list.mp4", TEXT),
    "text as srt": lambda tmp, make, folder: put(tmp / "list.srt", TEXT),
    **{
        f"random {ending}": lambda tmp, make, folder, ending=ending: put(tmp / f"random{ending}", RANDOM)
        for ending in (".mp4", ".webm", ".gif", ".avi", ".jpg", ".yuv", "")
    },
    "mp4 without its index": lambda tmp, make, folder: cut(make("cut.mp4", noise()), 0.9),
    "mp4 with the index in front": lambda tmp, make, folder: cut(make("cut.mp4", noise(), movflags="faststart"), 0.6),
    "webm": lambda tmp, make, folder: cut(make("cut.webm", noise()), 0.6),
    "avi": lambda tmp, make, folder: cut(make("cut.avi", noise()), 0.6),
    "avi cut in its header": lambda tmp, make, folder: put(tmp / "cut.avi", make("a.avi").read_bytes()[:2000]),
    "empty folder": lambda tmp, make, folder: folder("empty", 0),
    "folder of text": lambda tmp, make, folder: put(folder("texts", 0) / "a.txt", TEXT).parent,
    "folder with a damaged picture": lambda tmp, make, folder: put(folder() / "00004.png", RANDOM).parent,
    "folder with a cut picture": lambda tmp, make, folder: cut(folder(form="{:05d}.jpg") / "00004.jpg", 0.5).parent,
    "folder with an empty first picture": lambda tmp, make, folder: put(folder() / "00000.png", b"").parent,
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_bad_video_is_refused_in_one_sentence(tmp_path, make_video, make_folder, kind):
    path = SOURCES[kind](tmp_path, make_video, make_folder)
    with pytest.raises(VideoError) as error:
        read_video(path)
    assert_one_sentence(error, path)


@pytest.mark.parametrize("name", ["sound.wav", "sound.mp4"])
def test_a_file_with_only_sound_is_refused(tmp_path, name):
    import av

    path = tmp_path / name
    tone = (8000 * np.sin(np.arange(22050) / 10)).astype(np.int16)
    if name.endswith(".wav"):
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(22050)
            file.writeframes(tone.tobytes())
    else:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=22050, layout="mono")
            frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
            frame.sample_rate = 22050
            for packet in itertools.chain(stream.encode(frame), stream.encode()):
                container.mux(packet)
    with pytest.raises(VideoError) as error:
        open_video(path)
    assert_one_sentence(error, path, "only sound")


def test_a_folder_with_frames_of_different_sizes_names_the_odd_one(make_folder):
    from PIL import Image

    folder = make_folder(frames=4)
    Image.new("RGB", (W, H + 1)).save(folder / "00002.png")
    with pytest.raises(VideoError) as error:
        read_video(folder)
    assert_one_sentence(error, folder / "00002.png", f"{W}x{H + 1}", f"{W}x{H}")


def test_a_cut_file_still_gives_the_frames_before_the_cut(make_video):
    path = cut(make_video("cut.mp4", noise(), movflags="faststart"), 0.6)
    frames = []
    with pytest.raises(VideoError, match=r"breaks off after \d+ frames"):
        for frame in open_video(path).frames():
            frames.append(frame)
    assert 10 < len(frames) < 30
    assert len(read_video(path, max_frames=5)) == 5


def trimmed_copy(source, path, start):
    """Trim an mp4 without re-encoding. The file keeps the frames before its start, and an edit list skips them."""
    import av

    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.pts -= int(start / packet.time_base)
                packet.dts -= int(start / packet.time_base)
                packet.stream = stream
                new.mux(packet)
    return path


def test_a_trimmed_clip_is_not_mistaken_for_a_truncated_one(tmp_path, make_video):
    import av

    trimmed = trimmed_copy(make_video("source.mp4", frames=40, fps=10, codec_options={"g": "250"}), tmp_path / "trimmed.mp4", 2.5)
    with av.open(str(trimmed)) as container:
        assert container.streams.video[0].frames == 40, "the header must count the hidden frames too"
    assert indices_of(read_video(trimmed)) == list(range(25, 40))


def test_moving_frames_refuse_a_video_of_one_frame(make_video, make_folder):
    for path in (make_video("one.mp4", frames=1), make_folder("one", frames=1)):
        assert len(read_video(path)) == 1
        with pytest.raises(VideoError) as error:
            next(open_video(path).moving_frames())
        assert_one_sentence(error, path.name, "1 frame", "two")


def test_moving_frames_yield_every_frame(make_video):
    video = open_video(make_video(frames=9))
    np.testing.assert_array_equal(list(video.moving_frames(24)), video.read(24))


# ---- writing


def boxes(content):
    """The names of an mp4's top-level boxes, in order."""
    names, place = [], 0
    while place < len(content):
        size, name = struct.unpack_from(">I4s", content, place)
        names.append(name.decode())
        place += size
    return names


def leftovers(folder):
    return sorted(p.name for p in folder.rglob("*"))


def test_a_written_video_can_be_read_back(tmp_path):
    frames = index_frames(15)
    assert write_video(tmp_path / "out.mp4", iter(frames), fps=12.5) == 15
    video = open_video(tmp_path / "out.mp4")
    assert video.fps == 12.5
    back = video.read()
    assert back.shape == frames.shape
    assert indices_of(back) == list(range(15))
    assert np.abs(back[:, :, 40:].astype(int) - frames[:, :, 40:]).mean() < 3
    assert leftovers(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize("fps", [1, 24, 29.97, 60])
def test_fps_is_kept(tmp_path, fps):
    write_video(tmp_path / "out.mp4", index_frames(4), fps=fps)
    assert open_video(tmp_path / "out.mp4").fps == pytest.approx(fps, rel=1e-4)


@pytest.mark.parametrize("name", ["out.mp4", "out.mov"])
def test_videos_are_h264_in_yuv420p_with_the_index_at_the_front(tmp_path, name):
    import av

    write_video(tmp_path / name, index_frames(5))
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    order = boxes((tmp_path / name).read_bytes())
    assert order.index("moov") < order.index("mdat")


@pytest.mark.parametrize("height, width", [(47, 64), (48, 63), (47, 63)])
def test_odd_sizes_are_padded_by_repeating_the_last_row_or_column(tmp_path, height, width):
    frames = np.zeros((3, height, width, 3), np.uint8)
    frames[:, -8:] = (0, 200, 0)  # a green bottom and a red right side, which the padding must repeat
    frames[:, : height - 8, -8:] = (200, 0, 0)
    write_video(tmp_path / "odd.mp4", frames)
    back = read_video(tmp_path / "odd.mp4").astype(int)
    assert back.shape == (3, 48, 64, 3)
    assert np.abs(back[:, -1, 4:50] - (0, 200, 0)).max() < 20
    assert np.abs(back[:, 4:36, -1] - (200, 0, 0)).max() < 20
    assert np.abs(back[:, :36, :50]).max() < 20, "the picture itself must not be shifted or scaled"


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
def test_only_uint8_frames_are_accepted(tmp_path, dtype):
    with pytest.raises(TypeError, match="uint8"):
        write_video(tmp_path / "new" / "out.mp4", np.ones((3, 8, 8, 3), dtype))
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "frames, message",
    [
        ([], "no frames"),
        (np.zeros((3, 8, 8), np.uint8), "RGB"),
        (np.zeros((3, 8, 8, 4), np.uint8), "RGB"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)], "frame 1"),
    ],
)
def test_invalid_frame_shapes_are_refused_and_leave_no_file(tmp_path, frames, message):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / "new" / "out.mp4", frames)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, VideoError, GeneratorExit])
@pytest.mark.parametrize("earlier", [None, b"the earlier result"])
def test_a_failed_write_keeps_the_earlier_file(tmp_path, failure, earlier):
    def frames():
        yield from index_frames(6)
        raise failure("midway")

    path = tmp_path / "out.mp4"
    if earlier:
        path.write_bytes(earlier)
    with pytest.raises(failure, match="midway"):
        write_video(path, frames())
    assert leftovers(tmp_path) == (["out.mp4"] if earlier else [])
    assert not earlier or path.read_bytes() == earlier


def test_a_finished_video_replaces_the_earlier_file(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"the earlier result")
    write_video(path, index_frames(3))
    assert indices_of(read_video(path)) == [0, 1, 2]


@pytest.mark.parametrize("name", ["out.xyz", "out", "out.webm"])
def test_a_file_suffix_that_does_not_support_h264_is_refused(tmp_path, name):
    with pytest.raises(OutputError) as error:
        write_video(tmp_path / "new" / name, index_frames(3))
    assert_one_sentence(error, tmp_path / "new" / name, ".mp4")
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on file sizes is set the Linux way")
def test_a_full_disk_is_reported_and_leaves_no_file(tmp_path):
    """A limit on file sizes replaces the full disk, because the writer sees both as an OSError."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OutputError) as error:
            write_video(tmp_path / "new" / "out.mp4", np.concatenate([noise(60)] * 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_one_sentence(error, "out.mp4", "larger than the system allows")
    assert leftovers(tmp_path) == []


def test_a_browser_plays_a_written_video(tmp_path):
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(chromium).is_file():
        pytest.skip("no chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    from PIL import Image

    write_video(tmp_path / "out.mp4", index_frames(20, 47, 63), fps=10)
    (tmp_path / "page.html").write_text('<video id="v" src="out.mp4" muted autoplay preload="auto"></video>')
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        try:
            page = browser.new_page()
            page.goto((tmp_path / "page.html").as_uri())
            page.wait_for_function("v.error || v.readyState >= 2", timeout=20_000)
            seen = page.evaluate("[v.error && v.error.message, v.videoWidth, v.videoHeight, v.duration]")
            page.evaluate("v.pause(), new Promise(done => { v.onseeked = done; v.currentTime = 1.05 })")
            shot = np.array(Image.open(io.BytesIO(page.locator("#v").screenshot())).convert("RGB"))
        finally:
            browser.close()
    assert seen[0] is None
    assert seen[1:3] == [64, 48]
    assert seen[3] == pytest.approx(2.0, abs=0.11)
    assert indices_of([shot]) == [10], "the browser must show frame 10 at 1.05 seconds"


# ---- reading backwards, detecting cuts


@pytest.mark.parametrize("stop, chunk", [(20, 100), (20, 9), (20, 10), (17, 8), (1, 8), (0, 8)])
def test_frames_before_yields_the_frames_in_reverse_order(make_video, make_folder, stop, chunk):
    megabytes = chunk * 3 * H * W / 1e6 + 1e-9
    for path in (make_video(frames=20), make_folder(frames=20)):
        backwards = list(open_video(path).frames_before(stop, megabytes=megabytes))
        assert indices_of(backwards) == list(range(stop))[::-1]


def test_frames_before_decodes_the_video_once_per_chunk(make_video, monkeypatch):
    taken = []
    frames = Video.frames

    def counting(self, size=None, fps=None, max_frames=None):
        taken.append(max_frames)
        return frames(self, size, fps, max_frames)

    monkeypatch.setattr(Video, "frames", counting)
    megabytes = 10 * 3 * 24 * 32 / 1e6 + 1e-9
    assert len(list(open_video(make_video(frames=30)).frames_before(30, size=(24, 32), megabytes=megabytes))) == 30
    assert taken == [30, 20, 10], "there must be one pass per chunk of ten frames"


def test_frames_before_works_on_a_part(make_video):
    part = open_video(make_video(frames=20)).part(5, 15)
    assert indices_of(part.frames_before(4)) == [8, 7, 6, 5]


def test_all_cuts_are_found_in_a_clip_of_six_shots():
    assert find_cuts(open_clip("bikes").frames(90)) == [30, 76, 137, 187, 242]


def test_no_cut_is_found_in_one_long_shot():
    assert find_cuts(open_clip("carphone").frames()) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_is_found_between_two_scenes_and_none_within_a_scene(seed):
    first = moving_shapes(seed, frames=14, height=64, width=80).frames
    second = moving_shapes(seed + 100, frames=9, height=64, width=80).frames
    assert find_cuts(first) == []
    assert find_cuts(np.concatenate([first, second])) == [14]


def test_cuts_in_videos_of_at_most_two_frames():
    assert find_cuts([]) == []
    assert find_cuts(index_frames(1)) == []
    assert find_cuts(np.stack([np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)])) == [1]


def test_a_fade_is_not_a_cut():
    # Each step of 32 levels moves every pixel to the next colour bin, but no step is larger than its neighbours.
    levels = np.array([0] * 4 + [32, 64, 96, 128, 160, 192, 224, 255] + [255] * 4, np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (len(levels), 16, 16, 3))
    inner = slice(6, 11)  # the frames whose neighbours on both sides fade too
    assert not set(find_cuts(frames)) & set(range(inner.start, inner.stop))


def test_a_small_flash_of_light_is_not_a_cut():
    frames = index_frames(1).repeat(12, axis=0)
    frames[6, :8, :10] = 255  # 80 of 3072 pixels
    assert find_cuts(frames) == []


# ---- frames at given times

FPS = 10
SOUGHT = {
    "every frame a key frame": ("a.mp4", {"codec_options": {"g": "1"}}),
    "a key frame in four": ("a.mp4", {"codec_options": {"g": "4"}}),
    "one key frame": ("a.mp4", {"codec_options": {"g": "250"}}),
    "frames out of order": ("a.mp4", {"codec_options": {"g": "9", "bf": "3", "preset": "medium", "x264-params": "scenecut=0:b-adapt=0"}}),
    "groups that share frames": (
        "a.mp4",
        {"codec_options": {"g": "8", "bf": "3", "preset": "medium", "x264-params": "scenecut=0:b-adapt=0:open-gop=1"}},
    ),
    "in fragments": ("a.mp4", {"codec_options": {"g": "8"}, "movflags": "frag_keyframe+empty_moov"}),
    "mov": ("a.mov", {"codec_options": {"g": "8"}}),
    "vp9": ("a.webm", {"codec_options": {"g": "8"}}),
    "vp8": ("a.webm", {"codec": "libvpx"}),
    "gif": ("a.gif", {}),
    "avi": ("a.avi", {}),
}


@pytest.mark.parametrize("kind", SOUGHT)
def test_frames_at_matches_frames_of_the_whole_video_bit_for_bit(make_video, kind):
    name, options = SOUGHT[kind]
    video = open_video(make_video(name, frames=20, fps=FPS, **options))
    whole = video.read()
    wanted = [[index] for index in range(20)] + [[first, first + gap, first + 2 * gap] for gap in (1, 3, 7) for first in range(0, 6, 2)]
    for indices in wanted:
        np.testing.assert_array_equal(video.frames_at([index / FPS for index in indices]), whole[indices])


def test_frames_at_matches_the_pictures_of_a_folder(make_folder):
    video = open_video(make_folder(frames=12))
    whole = video.read()
    for indices in [*([index] for index in range(12)), [0, 4, 8], [2, 11]]:
        np.testing.assert_array_equal(video.frames_at([index / 24 for index in indices]), whole[indices])


def raw_stream(path, format, frames, key_frames="8"):
    """Write H.264 without a container ("h264") or in a broadcast container ("mpegts")."""
    import av

    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = H, W, "yuv420p"
        stream.options = {"crf": "10", "preset": "ultrafast", "g": key_frames}
        for frame in index_frames(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("format", ["h264", "mpegts"])  # h264 has no times and no index; the clock of mpegts does not start at 0
def test_frames_are_found_in_files_with_unreliable_seeking(tmp_path, format):
    video = open_video(raw_stream(tmp_path / "a.bin", format, 20))
    assert [indices_of(video.frames_at([index / 25]))[0] for index in range(20)] == list(range(20))


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif"])
@pytest.mark.parametrize("off", [-0.4, 0.4])
def test_a_time_between_two_frames_gives_the_nearer_frame(make_video, name, off):
    video = open_video(make_video(name, frames=12, fps=FPS))
    assert [indices_of(video.frames_at([(index + off) / FPS]))[0] for index in range(1, 11)] == list(range(1, 11))
    assert indices_of(video.frames_at([(index + off) / FPS for index in (1, 2, 5, 9)])) == [1, 2, 5, 9]


@pytest.mark.parametrize("off", [-0.4, 0.4])
def test_a_time_between_two_pictures_gives_the_nearer_picture(make_folder, off):
    video = open_video(make_folder(frames=12))
    assert indices_of(video.frames_at([(index + off) / 24 for index in (1, 2, 5, 9)])) == [1, 2, 5, 9]


def test_the_same_time_twice_gives_the_same_frame_twice(make_video, make_folder):
    for path in (make_video(frames=12, fps=24), make_folder(frames=12)):
        assert indices_of(open_video(path).frames_at([3 / 24, 3 / 24, 7 / 24, 7 / 24])) == [3, 3, 7, 7]


def test_a_time_shortly_after_the_end_gives_the_last_frame(make_video):
    video = open_video(make_video(frames=12, fps=FPS))
    near = 11 / FPS + 0.49
    assert indices_of(video.frames_at([1.0, 1.2, near])) == [10, 11, 11]
    assert indices_of(video.frames_at([near])) == [11]


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif"])
def test_a_time_further_after_the_end_is_refused(make_video, name):
    path = make_video(name, frames=12, fps=FPS)
    far = 11 / FPS + 0.51
    for times in ([far], [0.5, far], [60.0]):
        with pytest.raises(VideoError) as error:
            open_video(path).frames_at(times)
        assert_one_sentence(error, path, "after 1.1 s")


def test_a_time_far_after_the_end_of_a_folder_is_refused(make_folder):
    with pytest.raises(VideoError):
        open_video(make_folder(frames=12)).frames_at([60.0])


@pytest.mark.parametrize("turn", TURNS)
def test_phone_videos_are_upright_at_any_time(make_video, turn):
    path = make_video(frames=8, codec_options={"g": "4"})
    patch_matrix(path, *TURNS[turn][0])
    video = open_video(path)
    np.testing.assert_array_equal(video.frames_at([0.2, 0.5]), video.read()[[2, 5]])


@pytest.mark.parametrize("size", [24, (40, 20), None])
def test_frames_at_scales_frames_as_read_does(make_video, make_folder, size):
    turned = make_video("turned.mp4", frames=8, fps=24)
    patch_matrix(turned, *TURNS["clockwise"][0])
    for path in (make_video(frames=8, fps=24), turned, make_folder(frames=8)):
        video = open_video(path)
        np.testing.assert_array_equal(video.frames_at([2 / 24, 5 / 24], size), video.read(size)[[2, 5]])


def test_times_in_a_part_count_from_its_start(make_video, make_folder):
    for path in (make_video(frames=20, fps=24, codec_options={"g": "4"}), make_folder(frames=20)):
        part = open_video(path).part(6, 16)
        assert indices_of(part.frames_at([0, 3 / 24, 9 / 24])) == [6, 9, 15]


def test_a_part_gives_no_frame_after_its_stop(make_video):
    part = open_video(make_video(frames=30, fps=FPS)).part(5, 10)
    assert indices_of(part.frames_at([0.4, 0.6])) == [9, 9]


def test_a_time_further_after_the_end_of_a_part_is_refused(make_video, make_folder):
    for path in (make_video(frames=60, fps=24), make_folder(frames=60)):
        part = open_video(path).part(6, 16, "middle")
        assert indices_of(part.frames_at([9 / 24 + 0.49])) == [15]
        with pytest.raises(VideoError) as error:
            part.frames_at([0.1, 9 / 24 + 0.51])
        assert_one_sentence(error, "ends after 0.4 s")


def test_times_in_a_trimmed_clip_count_from_the_first_visible_frame(tmp_path, make_video):
    path = trimmed_copy(make_video("source.mp4", frames=30, fps=FPS, codec_options={"g": "250"}), tmp_path / "trimmed.mp4", 1.5)
    assert indices_of(open_video(path).frames_at([0, 0.3, 1.2])) == [15, 18, 27]


@pytest.mark.xfail(
    strict=True, reason="known limit: in an AVI with B-frames the clock begins with the first packet, one frame before the first picture"
)
def test_reordered_frames_in_an_avi_are_found_at_their_times(make_video):
    video = open_video(make_video("a.avi", frames=16, fps=FPS, codec_options={"g": "8", "bf": "2"}))
    assert indices_of(video.frames_at([0.3, 0.5, 1.1])) == [3, 5, 11]


def uneven_video(path, times, **options):
    """A video of ``index_frames`` in which frame i appears at ``times[i]``, in milliseconds."""
    return open_video(write_clip(path, index_frames(len(times)), times, options={"crf": "10", **options}))


UNEVEN = [0, 100, 200, 2000, 2100, 2200, 2300, 4000, 4100, 4200, 4300, 6000]
"""Frame times in milliseconds, as in a video that shows a frame for longer when nothing moves."""


def test_a_long_frame_is_given_for_all_times_at_which_it_is_shown(tmp_path):
    video = uneven_video(tmp_path / "uneven.mp4", UNEVEN, g="4", bf="0")
    assert video.fps == pytest.approx(2, abs=0.1)
    for time, index in [(0.9, 2), (3.0, 6), (5.0, 10)]:
        assert indices_of(video.frames_at([time])) == [index]
    assert indices_of(video.frames_at([0.9, 3.0, 5.0, 6.0])) == [2, 6, 10, 11]


def test_the_nearest_frame_is_given_where_frames_are_closer_than_average(tmp_path):
    video = uneven_video(tmp_path / "uneven.mp4", UNEVEN, g="4", bf="0")
    assert indices_of(video.frames_at([2.0, 2.11, 4.18])) == [3, 4, 9]


@pytest.mark.parametrize("name", ["late.mkv", "late.ts"])
def test_times_count_from_the_first_frame_when_the_clock_starts_later(tmp_path, sought, name):
    video = uneven_video(tmp_path / name, range(5000, 6600, 100), g="4", bf="0")
    assert indices_of(video.frames_at([0, 0.3, 1.0])) == [0, 3, 10]
    sought.update(decoded=0)
    assert indices_of(video.frames_at([0.9])) == [9]
    assert sought["decoded"] <= 4, "only frames 8 (the key frame) to 10 may be decoded, not all frames from the start"


@pytest.mark.xfail(
    strict=True, reason="known limit: a B-frame that is shown for longer than its packet says is left out, and an earlier frame given"
)
def test_a_reordered_frame_that_is_shown_for_long_is_not_skipped(tmp_path):
    video = uneven_video(tmp_path / "uneven.mp4", [*range(0, 801, 100), 1800], g="12", bf="2")
    assert indices_of(video.frames_at([1.1])) == indices_of(video.frames_at([1.25])) == [8]


@pytest.fixture
def sought(monkeypatch):
    """Count how many frames were decoded to reach the requested ones, and how many were converted to arrays."""
    return count_calls(monkeypatch, (seek, "_decode_near"), (video_module, "upright"))


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_only_frames_from_the_key_frame_to_the_last_time_are_decoded(make_video, sought, name):
    video = open_video(make_video(name, frames=60, fps=FPS, codec_options={"g": "4"}))
    assert indices_of(video.frames_at([4.13])) == [41]  # the key frame before it is 40
    assert sought == {"decoded": 3, "converted": 1}, "frames 40 and 41 must be decoded, and 42 to know where 41 ends"
    sought.update(decoded=0, converted=0)
    assert indices_of(video.frames_at([0.42, 0.91])) == [4, 9]
    assert sought == {"decoded": 7, "converted": 2}, "frames 4 to 10 must be decoded"


def test_frames_that_no_other_frame_depends_on_are_skipped(make_video, sought):
    options = {"g": "250", "bf": "3", "preset": "medium", "x264-params": "scenecut=0:b-adapt=0:b-pyramid=none"}
    video = open_video(make_video(frames=40, fps=FPS, codec_options=options))
    assert indices_of(video.frames_at([3.6])) == [36]
    assert sought["decoded"] < 20, "only every fourth frame and the frames near 3.6 s may be decoded"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed in /proc on Linux only")
def test_no_file_stays_open_after_seeking(make_video):
    path = make_video(frames=12, fps=FPS)
    video = open_video(path)
    before = len(os.listdir("/proc/self/fd"))
    for times in ([0.3, 0.5], [1.1], [60.0]):
        with contextlib.suppress(VideoError):
            video.frames_at(times)
    assert video.seconds == pytest.approx(1.2)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("by", ["noise", "zeros"])
def test_a_damaged_section_is_reported_and_frames_around_it_are_given(make_video, by):
    path = damaged_between(make_video(frames=24, fps=FPS, codec_options={"g": "4", "bf": "0"}), 8, 16, by)
    video = open_video(path)
    for times in ([0.9], [0.2, 1.2, 2.1]):
        with pytest.raises(VideoError) as error:
            video.frames_at(times)
        assert_one_sentence(error, path, "damaged")
    assert indices_of(video.frames_at([0.2, 0.6])) == [2, 6]
    assert indices_of(video.frames_at([1.71, 2.1])) == [17, 21]


def cracked_picture(path, index):
    """Overwrite most of one frame but keep its beginning, so that the decoder can still decode something."""
    import av

    with av.open(str(path)) as container:
        place, size = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][index]
    content = bytearray(path.read_bytes())
    content[place + size // 3 : place + size] = np.random.default_rng(0).bytes(size - size // 3)
    path.write_bytes(content)
    return path


def shapes_in_groups(make_video):
    frames = moving_shapes(0, frames=16, height=H, width=W).frames
    return make_video(frames=frames, fps=FPS, codec_options={"g": "4", "bf": "0"})


def test_a_frame_that_the_decoder_had_to_guess_is_reported(make_video):
    path = cracked_picture(shapes_in_groups(make_video), 8)
    with pytest.raises(VideoError) as error:
        open_video(path).frames_at([0.2, 0.81])
    assert_one_sentence(error, path, "damaged pictures near 0.2 s")


def test_frames_predicted_from_a_guessed_frame_are_reported_or_close(make_video):
    path = shapes_in_groups(make_video)
    whole = read_video(path).astype(int)
    video = open_video(cracked_picture(path, 8))
    try:
        frames = video.frames_at([0.92, 1.02])
    except VideoError:
        return
    assert np.abs(frames - whole[[9, 10]]).mean() < 5
