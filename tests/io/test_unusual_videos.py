"""Test video files as people have them: mirrored, with a cover, with uneven times, joined, damaged, HDR, interlaced, oddly named."""

import numpy as np
import pytest

from tests.support.broken_files import cut, damaged_between, noise, patch_matrix
from tests.support.helpers import H, W, assert_one_sentence, index_frames, indices_of
from tests.support.unusual_videos import add_cover, sound_of, tracks, write_clip
from tinytrack.errors import VideoError
from tinytrack.io.decode import FrameLog
from tinytrack.io.video import open_video, read_video
from tinytrack.io.video_writer import write_video

UNEVEN = [100 * n for n in range(10)] + [1000 + 1000 * n for n in range(10)]  # milliseconds


def read_with_log(video):
    log = FrameLog()
    return list(video.frames(log=log)), log


# ---- orientation and pixel aspect

# display matrix (a, b, c, d, x, y) -> what a player does to the stored pictures
MATRICES = {
    "mirrored": ((-1, 0, 0, 1, W, 0), lambda f: f[:, :, ::-1]),
    "half a turn": ((-1, 0, 0, -1, W, H), lambda f: f[:, ::-1, ::-1]),
    "upside down": ((1, 0, 0, -1, 0, H), lambda f: f[:, ::-1]),
    "transposed": ((0, 1, 1, 0, 0, 0), lambda f: f.transpose(0, 2, 1, 3)),
    "clockwise": ((0, 1, -1, 0, H, 0), lambda f: np.rot90(f, -1, (1, 2))),
    "transposed at the other diagonal": ((0, -1, -1, 0, H, W), lambda f: f.transpose(0, 2, 1, 3)[:, ::-1, ::-1]),
    "counterclockwise": ((0, -1, 1, 0, 0, W), lambda f: np.rot90(f, 1, (1, 2))),
}


@pytest.mark.parametrize("name", MATRICES)
def test_pictures_are_turned_and_mirrored_as_a_player_does(make_video, name):
    matrix, shown = MATRICES[name]
    path = make_video("a.mp4", frames=4)
    stored = read_video(path)
    patch_matrix(path, *matrix)
    video = open_video(path)
    np.testing.assert_array_equal(video.read(), shown(stored))
    assert (video.height, video.width) == shown(stored).shape[1:3]
    small = video.read(size=24)
    assert small.shape[1:3] == ((24, 32) if video.height < video.width else (32, 24))


@pytest.mark.parametrize("turned", [False, True], ids=["upright", "turned"])
def test_the_pixel_aspect_is_kept(tmp_path, turned):
    path = write_clip(tmp_path / "a.mp4", index_frames(4), aspect=2)
    if turned:
        patch_matrix(path, 0, 1, -1, 0, H, 0)
    video = open_video(path)
    frames, log = read_with_log(video)
    assert frames[0].shape[:2] == ((W, H) if turned else (H, W)), "pixels are not resampled"
    write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log)
    assert tracks(tmp_path / "b.mp4")["aspect"] == (0.5 if turned else 2)


# ---- the right stream


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
def test_the_video_is_read_and_not_its_cover(tmp_path, name):
    cover = np.full((200, 300, 3), 255, np.uint8)
    video = open_video(add_cover(tmp_path / name, index_frames(12), cover))
    assert (video.height, video.width) == (H, W)
    assert indices_of(video.read()) == list(range(12))
    assert indices_of(video.frames_at([0.5, 0.8])) == [5, 8]


# ---- times


@pytest.mark.parametrize("name, codec", [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.ts", "libx264")])
def test_frames_have_the_times_of_the_file(tmp_path, name, codec):
    options = {"crf": "10", "b": "2M", "deadline": "realtime", "cpu-used": "8"} if codec != "libx264" else None
    path = write_clip(tmp_path / name, index_frames(20), UNEVEN, codec=codec, options=options)
    frames, log = read_with_log(open_video(path))
    assert indices_of(frames) == list(range(20)), "a guessed number of frames is no proof of damage"
    np.testing.assert_allclose(log.times, np.array(UNEVEN) / 1000, atol=0.0011)
    np.testing.assert_allclose(open_video(path).times, log.times, atol=1e-9)


@pytest.mark.parametrize("name", ["a.flv", "a.mkv", "a.ts", "a.mov"])
def test_a_screen_recording_that_slows_down_is_healthy(tmp_path, name):
    times = [33 * n for n in range(60)] + [2000 + 1000 * n for n in range(20)]
    path = write_clip(tmp_path / name, index_frames(80), times)
    frames, log = read_with_log(open_video(path))
    assert len(frames) == 80
    np.testing.assert_allclose(log.times, np.array(times) / 1000, atol=0.0011)
    assert 1 < open_video(path).fps < 40


@pytest.mark.parametrize("step", [100, 3_600_000, 86_400_000], ids=["tenth of a second", "hour", "day"])
def test_a_written_video_keeps_the_times(tmp_path, step):
    times = [step * n for n in (0, 1, 2, 4, 5, 9)]
    video = open_video(write_clip(tmp_path / "a.mkv", index_frames(6), times))
    frames, log = read_with_log(video)
    write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log)
    again, log_again = read_with_log(open_video(tmp_path / "b.mp4"))
    assert indices_of(again) == list(range(6))
    np.testing.assert_allclose(log_again.times, np.array(times) / 1000, atol=0.011)


def test_a_part_is_written_from_time_0(tmp_path):
    video = open_video(write_clip(tmp_path / "a.mp4", index_frames(20), UNEVEN)).part(9, 13)
    frames, log = read_with_log(video)
    np.testing.assert_allclose(log.times, [0.9, 1, 2, 3], atol=0.001)
    write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log)
    np.testing.assert_allclose(read_with_log(open_video(tmp_path / "b.mp4"))[1].times, [0, 0.1, 1.1, 2.1], atol=0.001)


def test_fps_counts_seconds_not_frames(tmp_path):
    video = open_video(write_clip(tmp_path / "a.mp4", index_frames(20), UNEVEN))
    assert indices_of(video.frames(fps=5)) == [0, 2, 4, 6, 8, *range(10, 20)]


def test_a_clock_that_starts_again_goes_on(tmp_path):
    whole = b"".join(write_clip(tmp_path / name, index_frames(6), codec="libx264").read_bytes() for name in ("a.ts", "b.ts"))
    (tmp_path / "joined.ts").write_bytes(whole)
    frames, log = read_with_log(open_video(tmp_path / "joined.ts"))
    assert indices_of(frames) == [0, 1, 2, 3, 4, 5] * 2
    assert (np.diff(log.times) > 0).all()
    assert log.times[-1] < 2


@pytest.mark.parametrize("start, end, numbers", [(0.0, 0.35, (0, 3)), (0.95, 2.5, (10, 11)), (0.9, 99.0, (9, 19))])
def test_frames_are_found_by_their_time(tmp_path, start, end, numbers):
    video = open_video(write_clip(tmp_path / "a.mp4", index_frames(20), UNEVEN))
    assert (video.frame_from(start), video.frame_until(end)) == numbers
    with pytest.raises(VideoError) as error:
        video.frame_from(10.5)
    assert_one_sentence(error, "no frame at 10.5 s", "10 s")


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_an_avi_with_reordered_frames_keeps_its_times(tmp_path, codec):
    options = {"bf": "2", "g": "12"} if codec == "mpeg4" else {"bf": "2", "crf": "8", "x264-params": "b-adapt=0"}
    path = write_clip(tmp_path / "a.avi", index_frames(20), [40 * n for n in range(20)], codec=codec, options=options)
    video = open_video(path)
    frames, log = read_with_log(video)
    np.testing.assert_allclose(np.diff(log.times), 0.04, atol=1e-6)
    np.testing.assert_allclose(video.times, log.times, atol=1e-6)
    if codec == "libx264":
        assert indices_of(frames) == list(range(20))


def test_a_joined_recording_has_the_same_times_however_they_are_read(tmp_path):
    parts = [write_clip(tmp_path / name, index_frames(8), options={"bf": "2", "crf": "8"}).read_bytes() for name in ("a.ts", "b.ts")]
    (tmp_path / "joined.ts").write_bytes(b"".join(parts))
    video = open_video(tmp_path / "joined.ts")
    _, log = read_with_log(video)
    np.testing.assert_allclose(video.times, log.times, atol=1e-6)


def test_a_pause_of_an_hour_is_written_so_that_players_keep_the_order(tmp_path):
    times = [0, 100, 200, 300, 3_600_000, 3_600_100, 3_600_200, 3_600_300]
    video = open_video(write_clip(tmp_path / "a.ts", index_frames(8), times))
    frames, log = read_with_log(video)
    write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log)
    again, log_again = read_with_log(open_video(tmp_path / "b.mp4"))
    assert indices_of(again) == list(range(8))
    np.testing.assert_allclose(log_again.times, np.array(times) / 1000, atol=0.002)


def test_the_last_frame_is_shown_as_long_as_in_the_input(tmp_path):
    from PIL import Image

    first, *rest = [Image.fromarray(frame) for frame in index_frames(4)]
    first.save(tmp_path / "a.gif", save_all=True, append_images=rest, duration=[100, 100, 100, 3000])
    video = open_video(tmp_path / "a.gif")
    frames, log = read_with_log(video)
    write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log)
    assert open_video(tmp_path / "b.mp4").seconds == pytest.approx(3.3, abs=0.01)


def test_a_gif_without_delays_keeps_all_frames(tmp_path):
    from PIL import Image

    first, *rest = [Image.fromarray(frame) for frame in index_frames(8)]
    first.save(tmp_path / "a.gif", save_all=True, append_images=rest)
    frames, log = read_with_log(open_video(tmp_path / "a.gif"))
    assert indices_of(frames) == list(range(8))
    np.testing.assert_allclose(log.times, np.arange(8) / 10)


@pytest.mark.parametrize("name", ["a.gif", "a.png"])
def test_an_animation_without_its_end_is_refused(tmp_path, name):
    from PIL import Image

    first, *rest = [Image.fromarray(frame) for frame in noise(8)]
    first.save(tmp_path / name, save_all=True, append_images=rest, duration=100)
    with pytest.raises(VideoError) as error:
        read_video(cut(tmp_path / name, 0.6))
    assert_one_sentence(error, tmp_path / name)


def test_an_animation_with_exif_is_read(tmp_path):
    from PIL import Image

    first, *rest = [Image.fromarray(frame) for frame in index_frames(4)]
    tags = Image.Exif()
    tags[0x0112] = 1
    first.save(tmp_path / "a.png", save_all=True, append_images=rest, duration=100, exif=tags)
    assert indices_of(read_video(tmp_path / "a.png")) == [0, 1, 2, 3]


def test_a_video_that_starts_late_is_not_damaged(tmp_path):
    path = write_clip(tmp_path / "a.mkv", index_frames(6), [5000 + 100 * n for n in range(6)])
    frames, log = read_with_log(open_video(path))
    assert len(frames) == 6
    np.testing.assert_allclose(log.times, np.arange(6) / 10, atol=1e-6)


# ---- damage


def spoiled(make_video, *numbers, count=20):
    """An AVI of JPEGs in which the data of some frames are zeros; the file's structure is intact."""
    import av

    path = make_video("a.avi", frames=count, codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for start, size in (packets[n] for n in numbers):
        assert content[start : start + 2] == b"\xff\xd8"
        content[start : start + size] = bytes(size)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("number", [1, 10, 17])
def test_one_damaged_frame_is_repeated_and_reported(make_video, number):
    frames, log = read_with_log(open_video(spoiled(make_video, number)))
    assert indices_of(frames) == [*range(number), number - 1, *range(number + 1, 20)]
    assert log.repeated == [number]
    np.testing.assert_allclose(log.times, np.arange(20) / 10, atol=1e-6)
    assert log.problems() == [f"1 frame(s) cannot be decoded, so the one before is repeated: {number}"]


def test_a_damaged_first_frame_is_left_out_and_reported(make_video):
    frames, log = read_with_log(open_video(spoiled(make_video, 0)))
    assert indices_of(frames) == list(range(1, 20))
    assert_one_sentence(log.problems()[0], "1 frame(s) at the start", "left out")


def test_a_hole_in_an_avi_is_reported(make_video):
    # The damage covers the marks of several frames, so FFmpeg passes over these frames without an error.
    path = damaged_between(make_video("a.avi", frames=100, codec="mjpeg", pix_fmt="yuvj420p"), 10, 14, by="zeros")
    frames, log = read_with_log(open_video(path))
    assert 95 <= len(frames) < 100
    assert any("before its header says" in text for text in log.problems()), log.problems()


def test_frames_that_the_decoder_swallows_are_counted(tmp_path):
    import av

    path = write_clip(tmp_path / "a.mkv", noise(30), options={"bf": "2", "crf": "20"})
    with av.open(str(path)) as container:
        place, size = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][-1]
    content = bytearray(path.read_bytes())
    content[place + 20 : place + size] = bytes(size - 20)
    path.write_bytes(content)
    try:
        frames, log = read_with_log(open_video(path))
    except VideoError as error:
        assert_one_sentence(error, path, "damaged")
    else:
        assert log.problems(), f"{len(frames)} frames, and no word on the damage"


@pytest.mark.parametrize("numbers", [range(5, 12), [3, 7, 11, 15], [19]], ids=["many in a row", "many in all", "the last"])
def test_more_damage_is_refused(make_video, numbers):
    path = spoiled(make_video, *numbers)
    with pytest.raises(VideoError) as error:
        read_video(path)
    assert_one_sentence(error, path, "damaged")


def test_guessed_pictures_are_reported(make_video):
    path = make_video("a.mp4", frames=noise(40), codec_options={"g": "40"})
    damaged_between(path, 20, 21)
    frames, log = read_with_log(open_video(path))
    assert len(frames) == 40
    assert log.guessed or log.repeated, "the damage is not reported"


@pytest.mark.parametrize("sound", [None, "aac"], ids=["silent", "with sound"])
@pytest.mark.parametrize("name", ["a.mkv", "a.mov"])
def test_a_file_that_is_really_cut_is_refused(tmp_path, name, sound):
    options = {"crf": "20", "bf": "0", "g": "5"}
    path = write_clip(tmp_path / name, noise(40), sound=sound, options=options)
    if name.endswith(".mov"):  # the index is at the end of the file: move it to the front, as a camera that streams does
        import av

        with av.open(str(path)) as a, av.open(str(tmp_path / "front.mov"), "w", options={"movflags": "faststart"}) as b:
            streams = {stream: b.add_stream_from_template(stream) for stream in a.streams}
            for packet in a.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream]
                    b.mux(packet)
        path = tmp_path / "front.mov"
    with pytest.raises(VideoError) as error:
        read_video(cut(path, 0.6))
    assert_one_sentence(error, path, "cut short")


# ---- colours, HDR, interlaced


@pytest.mark.parametrize("range", [1, 2], ids=["studio range", "full range"])
def test_the_tagged_matrix_is_used_and_the_written_one_is_tagged(tmp_path, range):
    tags = {"colorspace": 1, "color_range": range, "color_primaries": 1, "color_trc": 1}
    path = write_clip(tmp_path / "a.mp4", index_frames(8), tags=tags)
    video = open_video(path)
    frames, log = read_with_log(video)
    assert indices_of(frames) == list(np.arange(8))
    write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log)
    written = tracks(tmp_path / "b.mp4")
    assert (written["colorspace"], written["range"], written["primaries"], written["transfer"]) == (1, 1, 1, 1)
    assert indices_of(read_video(tmp_path / "b.mp4")) == list(np.arange(8))


def test_primaries_of_a_phone_are_kept(tmp_path):
    tags = {"colorspace": 1, "color_range": 1, "color_primaries": 12, "color_trc": 1}  # 12: Display P3
    video = open_video(write_clip(tmp_path / "a.mp4", index_frames(3), tags=tags))
    frames, log = read_with_log(video)
    write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log)
    assert tracks(tmp_path / "b.mp4")["primaries"] == 12


@pytest.mark.parametrize("transfer, name", [(16, "PQ"), (18, "HLG")])
def test_hdr_is_noted(tmp_path, transfer, name):
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": transfer}
    video = open_video(write_clip(tmp_path / "a.mp4", index_frames(3), tags=tags))
    (note,) = video.header.notes
    assert_one_sentence(note, "HDR", name, "a.mp4")
    frames, log = read_with_log(video)
    write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log)
    assert tracks(tmp_path / "b.mp4")["primaries"] == 1


def test_interlaced_pictures_are_deinterlaced_and_noted(tmp_path):
    # Each stored picture has the even rows of one moment and the odd rows of the next, in which a bar has moved on.
    moments = np.full((24, H, W, 3), 40, np.uint8)
    for t, frame in enumerate(moments):
        frame[:, 2 * t : 2 * t + 10] = 220
    woven = moments[::2].copy()
    woven[:, 1::2] = moments[1::2, 1::2]
    path = write_clip(tmp_path / "a.mp4", woven, options={"crf": "1", "x264-params": "tff=1:interlaced=1", "bf": "0"})
    video = open_video(path)
    assert_one_sentence(video.header.notes[0], "deinterlaced")
    frames = video.read()
    assert len(frames) == 12

    def combs(pictures):
        return np.abs(np.diff(pictures.astype(int), axis=1)).mean()

    assert combs(frames[2:-1]) < 0.5 * combs(woven[2:-1])
    assert len(video.frames_at([0.5])) == 1


def test_a_progressive_video_has_no_notes(make_video):
    assert open_video(make_video()).header.notes == ()


# ---- sound


def clicks(path):
    """The times in seconds at which a loud sample follows silence."""
    wave = np.abs(sound_of(path))
    loud = np.flatnonzero(wave > 0.3 * wave.max()) / 44100
    return loud[np.diff(loud, prepend=-1) > 0.1]


def test_a_pause_in_the_sound_is_kept(tmp_path):
    import av

    path = write_clip(tmp_path / "a.mov", index_frames(20))
    with av.open(str(path)) as a, av.open(str(tmp_path / "b.mkv"), "w") as b:
        pictures, sound = b.add_stream_from_template(a.streams.video[0]), b.add_stream("pcm_s16le", rate=44100)
        sound.codec_context.layout = "mono"
        for packet in a.demux(video=0):
            if packet.dts is not None:
                packet.stream = pictures
                b.mux(packet)
        for begin in (0, 66150):  # a click at 0.1 s after each begin, and nothing between the pieces
            wave = np.zeros((1, 8820), np.int16)
            wave[0, 4410:4420] = 30000
            piece = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            piece.sample_rate, piece.pts = 44100, begin
            b.mux(sound.encode(piece))
        b.mux(sound.encode())
    video = open_video(tmp_path / "b.mkv")
    frames, log = read_with_log(video)
    write_video(tmp_path / "c.mp4", frames, video.fps, like=video, log=log)
    np.testing.assert_allclose(clicks(tmp_path / "c.mp4"), [0.1, 1.6], atol=0.03)


def test_sound_of_an_unknown_codec_does_not_stop_the_pictures(tmp_path):
    path = write_clip(tmp_path / "a.mov", index_frames(6), sound="pcm_s16le")
    path.write_bytes(path.read_bytes().replace(b"sowt", b"zzzz"))
    video = open_video(path)
    frames, log = read_with_log(video)
    assert write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log) == 6


@pytest.mark.parametrize("name, sound, written", [("a.mp4", "aac", "aac"), ("a.mov", "pcm_s16le", "aac"), ("a.mkv", "flac", "aac")])
def test_the_sound_is_kept(tmp_path, name, sound, written):
    video = open_video(write_clip(tmp_path / name, index_frames(20), sound=sound))
    frames, log = read_with_log(video)
    write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log)
    said = tracks(tmp_path / "b.mp4")
    assert said["sound"] == written
    assert abs(said["sound_seconds"] - 2) < 0.1
    tone = np.abs(np.fft.rfft(sound_of(tmp_path / "b.mp4")[8192:40960]))
    assert abs(tone.argmax() * 44100 / 32768 - 440) < 5, "the tone is not the one that was recorded"


def test_a_part_has_its_part_of_the_sound(tmp_path):
    video = open_video(write_clip(tmp_path / "a.mp4", index_frames(20), sound="aac"))
    frames, log = read_with_log(video.part(5, 11))
    write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log)
    assert abs(tracks(tmp_path / "b.mp4")["sound_seconds"] - 0.6) < 0.05


def test_a_video_without_sound_gets_none(tmp_path, make_video):
    video = open_video(make_video())
    frames, log = read_with_log(video)
    write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log)
    assert tracks(tmp_path / "b.mp4")["sound"] is None


def test_a_damaged_sound_track_does_not_stop_the_pictures(tmp_path):
    path = write_clip(tmp_path / "a.mkv", index_frames(20), sound="flac")
    content = bytearray(path.read_bytes())
    place = content.rindex(b"\xff\xf8")  # the last packet of the sound
    content[place : place + 400] = bytes(400)
    path.write_bytes(content)
    video = open_video(path)
    frames, log = read_with_log(video)
    assert write_video(tmp_path / "b.mp4", frames, video.fps, like=video, log=log) == 20


# ---- names

NAMES = [
    "take:1.mp4", "12:30:05.mp4", "http:clip.mp4", "concat:x.mp4", "pipe:0", "file:a.mp4", "100%d.mp4", "a#b?c.mp4", "line\nbreak.mp4",
    "-dash.mp4", "it's \"q\".mp4", "[1-3]*.mp4", "Видео 視頻.mp4", "~x.mp4",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_never_an_address(make_video, here, name):
    make_video("a.mp4", frames=5).rename(here / name)
    video = open_video(name)
    assert indices_of(video.read()) == list(range(5))
    assert indices_of(video.frames_at([0.3])) == [3]
    copy = name if name.endswith(".mp4") else f"{name}.mp4"
    write_video(f"out/{copy}", video.frames(), 10)
    assert [path.name for path in (here / "out").iterdir()] == [copy]
    assert len(read_video(here / "out" / copy)) == 5
