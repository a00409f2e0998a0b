"""Shared fixtures: small generated videos, optional data sets, the available devices and the command line."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch and its kernels read this on import; see tinytrack.__main__.main

from pathlib import Path

import numpy as np
import pytest
import torch

import tinytrack.__main__ as program
from tests.support.helpers import CODECS, H, W, index_frames, result_of


@pytest.fixture
def one_thread():
    """Run torch on one thread, which makes results repeatable bit for bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_video(tmp_path):
    """``make_video(name, frames=24, ...)`` writes ``index_frames`` (or an array of frames) with PyAV and returns the path."""
    import av
    from PIL import Image

    def make(name="clip.mp4", frames=24, fps=10, codec=None, pix_fmt=None, height=H, width=W, codec_options=None, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = index_frames(frames, height, width) if isinstance(frames, int) else frames
        if path.suffix == ".gif":  # written by Pillow, because PyAV's encoder supports only 256 fixed colours
            first, *rest = [Image.fromarray(f) for f in frames]
            first.save(path, save_all=True, append_images=rest, duration=1000 / fps, loop=0)
            return path
        default = CODECS[path.suffix]
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(codec or default[0], rate=fps)
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = pix_fmt or default[1]
            if stream.codec.name == "libx264":
                stream.options = {"crf": "10", "preset": "ultrafast"}
            elif stream.codec.name.startswith("libvpx"):
                stream.options = {"crf": "10", "b": "2M", "deadline": "realtime", "cpu-used": "8"}
            else:
                stream.bit_rate = 4_000_000
            stream.options = {**stream.options, **(codec_options or {})}
            for frame in frames:
                for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        return path

    return make


@pytest.fixture
def make_folder(tmp_path):
    """``make_folder(name, frames=8, form="{:05d}.png")`` writes ``index_frames`` (or an array) as pictures and returns the folder."""
    from PIL import Image

    def make(name="frames", frames=8, form="{:05d}.png"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        frames = index_frames(frames) if isinstance(frames, int) else frames
        for index, frame in enumerate(frames):
            Image.fromarray(frame).save(folder / form.format(index))
        return folder

    return make


@pytest.fixture(scope="session")
def data_root():
    """The folder of real data with ground truth; skips the test if this machine does not have it."""
    root = os.environ.get("TINYTRACK_DATA")
    if not root:
        pytest.skip("TINYTRACK_DATA is not set: it should name the folder of real data (davis, badja)")
    if not Path(root).is_dir():
        pytest.skip("TINYTRACK_DATA names no folder on this machine")
    return Path(root)


@pytest.fixture(scope="session")
def davis_root(data_root):
    """The DAVIS folder of the real data; skips the test if it is missing."""
    if not (data_root / "davis" / "JPEGImages").is_dir():
        pytest.skip("TINYTRACK_DATA holds no davis/JPEGImages")
    return data_root / "davis"


@pytest.fixture(params=["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"])
def device(request):
    """Each kind of device that this machine has."""
    return torch.device(request.param)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Change into an empty working folder for this test, so that every file it leaves behind ends up there."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def cli(capfd, here):
    """``cli("track", ...)`` runs the command line in this process; ``capfd`` also captures the output of C libraries."""

    def run(*args):
        capfd.readouterr()
        try:
            status = program.main([str(a) for a in args])
        except SystemExit as end:  # argparse ends this way
            status = end.code
        return result_of(status, *capfd.readouterr())

    return run
