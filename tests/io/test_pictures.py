"""Test reading pictures of any kind: orientation, bit depth, several pictures in a file, and damage."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.support.helpers import H, W, assert_one_sentence, index_frames, indices_of
from tinytrack.errors import VideoError
from tinytrack.io.decode import FrameLog
from tinytrack.io.pictures import PictureFile, read_image, upright, white_level
from tinytrack.io.video import open_video, read_video

FRAME = index_frames(3)[2]


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def write_tiff(path, pages, orientation=1, photometric=None):
    """Write pages of 16 bits, gray (H, W) or RGB (H, W, 3), with any orientation, which Pillow and FFmpeg cannot."""
    data = b"II*\0" + struct.pack("<I", 8)
    for number, page in enumerate(pages, start=1):
        height, width, channels = (*page.shape, 1)[:3]
        tags = [
            (256, 4, width),
            (257, 4, height),
            (258, 3, 16),
            (259, 3, 1),
            (262, 3, photometric if photometric is not None else channels // 2 + 1),
        ]
        tags += [(273, 4, 0), (274, 3, orientation), (277, 3, channels), (278, 4, height), (279, 4, page.nbytes)]
        bits = len(data) + 2 + 12 * len(tags) + 4
        strip = bits + 6
        data += struct.pack("<H", len(tags))
        for tag, kind, value in tags:
            if tag == 258 and channels == 3:
                data += struct.pack("<HHII", tag, kind, 3, bits)
            else:
                data += struct.pack("<HHII", tag, kind, 1, strip if tag == 273 else value)
        data += struct.pack("<I", strip + page.nbytes if number < len(pages) else 0) + struct.pack("<3H", 16, 16, 16)
        data += page.astype("<u2").tobytes()
    path.write_bytes(data)


@pytest.mark.parametrize("ending, compression", [("png", None), ("tif", None), ("tif", "tiff_lzw")], ids=["png", "tif", "lzw"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
@pytest.mark.parametrize("orientation", range(9))
def test_every_picture_is_read_upright(tmp_path, mode, orientation, ending, compression):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(FRAME).convert(mode).save(path, exif=exif(orientation), compression=compression if orientation else None)
    Image.fromarray(FRAME).convert(mode).save(tmp_path / "expected.png", exif=exif(orientation))
    with Image.open(tmp_path / "expected.png") as picture:
        expected = np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    np.testing.assert_array_equal(read_image(path), expected)
    with PictureFile(path) as source:
        assert source.header().size == expected.shape[:2]


@pytest.mark.parametrize("channels", ["gray", "RGB"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_deep_tiff_is_read_upright(tmp_path, channels, orientation):
    stored = FRAME[..., 0] if channels == "gray" else FRAME
    write_tiff(tmp_path / "a.tif", [stored.astype(np.uint16) * 257], orientation)
    expected = upright(FRAME[..., :1] if channels == "gray" else FRAME, orientation)
    difference = read_image(tmp_path / "a.tif", 65535).astype(int) - expected
    assert np.abs(difference).max() <= 1
    with PictureFile(tmp_path / "a.tif") as source:
        for _ in range(2):  # decoding makes Pillow forget the orientation
            assert source.header().size == source.pixels().shape[:2] == expected.shape[:2]


@pytest.mark.parametrize("kind", ["RGB", "RGB of 16 bits", "gray of 16 bits"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_stack_is_read_upright(tmp_path, orientation, kind):
    frames = index_frames(4)
    if kind == "RGB":
        first, *rest = [Image.fromarray(frame) for frame in frames]
        first.save(tmp_path / "a.tif", save_all=True, append_images=rest, exif=exif(orientation))
    else:
        frames = frames if kind == "RGB of 16 bits" else frames[..., 0]
        write_tiff(tmp_path / "a.tif", [frame.astype(np.uint16) * 257 for frame in frames], orientation)
    with PictureFile(tmp_path / "a.tif") as source:
        for index in (0, 1, 2, 3, 3, 1, 0):
            expected = upright(frames[index], orientation)
            assert source.header(index).size == expected.shape[:2]
            pixels = source.pixels(index, None if kind == "gray of 16 bits" else "RGB")
            np.testing.assert_array_equal(pixels // 257 if kind == "gray of 16 bits" else pixels, expected)


def test_frames_of_a_phone_are_upright(make_folder):
    folder = make_folder(frames=0)
    for index, frame in enumerate(index_frames(4)):
        Image.fromarray(np.rot90(frame)).save(folder / f"{index}.jpg", quality=98, subsampling=0, exif=exif(6))
    video = read_video(folder)
    assert video.shape == (4, H, W, 3)
    assert indices_of(video) == [0, 1, 2, 3]


# ---- bit depth


@pytest.mark.parametrize(
    "peak, dtype, white",
    [
        (200, np.uint16, 255),
        (700, np.uint16, 1023),
        (4095, np.uint16, 4095),
        (16000, np.uint16, 16383),
        (65535, np.uint16, 65535),
        (65536, np.int32, 2**24 - 1),
        (0.8, np.float32, 1),
        (1.01, np.float32, 1),
        (180.0, np.float32, 255),
        (np.inf, np.float32, 1),
    ],
)
def test_white_is_the_largest_number_of_the_usual_bits(peak, dtype, white):
    assert white_level([np.array([[0, 0]], dtype), np.array([[0, peak]], dtype)]) == white


@pytest.mark.parametrize("bits, shift", [(12, 0), (12, 4), (16, 0), (10, 0)], ids=["12 bits", "12 upper bits", "16 bits", "10 bits"])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_deep_gray_frames_keep_their_brightness(make_folder, bits, shift, ending):
    gray = np.linspace(0, 2**bits - 1, H * W).reshape(H, W).astype(np.uint16) << shift
    folder = make_folder(frames=0)
    for index, share in enumerate((4, 1)):  # the second frame is brighter, and decides the scale of both
        Image.fromarray((gray // share).astype(np.uint16)).save(folder / f"{index}.{ending}")
    dark, bright = read_video(folder)
    expected = np.linspace(0, 255, H * W).reshape(H, W, 1)
    assert np.abs(bright - expected).max() < 1.1
    assert np.abs(dark - expected / 4).max() < 1.1


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_deep_colour_frames_keep_their_colours(make_folder, ending):
    import av

    deep = FRAME.astype(np.uint16) * 16  # 12 of 16 bits, of which Pillow would keep the upper eight
    folder = make_folder(frames=0)
    for index in range(2):
        with av.open(f"file:{folder / f'{index}.{ending}'}", "w", format="image2", options={"update": "1"}) as container:
            stream = container.add_stream("png" if ending == "png" else "tiff", rate=1)
            stream.height, stream.width, stream.pix_fmt = H, W, "rgb48be" if ending == "png" else "rgb48le"
            frame = av.VideoFrame.from_ndarray(deep, format="rgb48le").reformat(format=stream.pix_fmt)
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
    assert np.abs(read_video(folder)[1].astype(int) - FRAME).max() <= 1


def test_gray_with_16_bits_whose_zero_is_white(tmp_path):
    write_tiff(tmp_path / "a.tif", [65535 - FRAME[..., 0].astype(np.uint16) * 257], photometric=0)
    assert np.abs(read_image(tmp_path / "a.tif", 65535).astype(int) - FRAME[..., :1]).max() <= 1


def test_float_frames_range_from_0_to_1(make_folder):
    folder = make_folder(frames=0)
    for index in range(2):
        Image.fromarray(FRAME[..., 0].astype(np.float32) / 255).save(folder / f"{index}.tif")
    assert np.abs(read_video(folder)[0].astype(int) - FRAME[..., :1]).max() <= 1


def test_nan_in_a_float_frame_is_black(tmp_path):
    values = np.full((H, W), np.nan, np.float32)
    values[0] = 1
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif")[:2, 0, 0].tolist() == [255, 0]


# ---- several pictures in one file


@pytest.mark.parametrize("ending", ["tif", "webp"])
def test_a_file_with_several_pictures_is_a_video(tmp_path, ending):
    first, *rest = [Image.fromarray(frame) for frame in index_frames(12)]
    first.save(tmp_path / f"a.{ending}", save_all=True, append_images=rest, **({"lossless": True} if ending == "webp" else {}))
    video = open_video(tmp_path / f"a.{ending}")
    assert (video.height, video.width) == (H, W)
    assert indices_of(video.read()) == list(range(12))
    assert indices_of(video.part(3, 6).read()) == [3, 4, 5]


def test_an_animation_keeps_its_times(tmp_path):
    first, *rest = [Image.fromarray(frame) for frame in index_frames(4)]
    first.save(tmp_path / "a.webp", save_all=True, append_images=rest, lossless=True, duration=[100, 300, 50, 100])
    log = FrameLog()
    list(open_video(tmp_path / "a.webp").frames(log=log))
    np.testing.assert_allclose(log.times, [0, 0.1, 0.4, 0.45])


def test_a_deep_stack_has_one_scale(tmp_path):
    pages = [Image.fromarray(np.full((H, W), value, np.uint16)) for value in (1000, 4000)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert read_video(tmp_path / "a.tif")[:, 0, 0, 0].tolist() == [round(1000 * 255 / 4095), round(4000 * 255 / 4095)]


def test_all_pictures_of_a_stack_of_deep_colour_are_equally_bright(tmp_path):
    write_tiff(tmp_path / "a.tif", [frame.astype(np.uint16) * 257 for frame in index_frames(3)])
    np.testing.assert_array_equal(read_video(tmp_path / "a.tif"), index_frames(3))


def test_a_stack_with_pictures_of_two_sizes_is_refused(tmp_path):
    Image.new("L", (W, H)).save(tmp_path / "a.tif", save_all=True, append_images=[Image.new("L", (W, H + 2))])
    with pytest.raises(VideoError) as error:
        read_video(tmp_path / "a.tif")
    assert_one_sentence(error, tmp_path / "a.tif", f"{W}x{H + 2}", f"{W}x{H}")


# ---- damage


def test_a_header_that_declares_too_many_pixels_is_refused_before_they_take_memory(tmp_path):
    path = tmp_path / "a.png"
    Image.new("1", (13_000, 13_000)).save(path)
    with pytest.raises(VideoError) as error:
        read_image(path)
    assert_one_sentence(error, path)


@pytest.mark.parametrize("content", [b"", b"II*\0", b"RIFF\x10\0\0\0WEBP", b"\x89PNG\r\n\x1a\n", b"no picture"], ids=repr)
def test_a_damaged_picture_is_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(VideoError) as error:
        read_image(path)
    assert_one_sentence(error, path, "cannot be read as a picture")


def test_no_file_stays_open(tmp_path):
    import os

    path = tmp_path / "a.png"
    Image.fromarray(FRAME).save(path)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(20):
        read_image(path)
        with PictureFile(path) as source:
            source.palette() if source.header().mode == "P" else source.header()
    assert not before or len(os.listdir("/proc/self/fd")) <= before
