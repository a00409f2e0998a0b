"""Damage valid files in many reproducible ways, and run the command line on them in processes of their own."""

import json
import os
import resource
import shutil
import signal
import struct
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.helpers import result_of
from tests.support.small import FRAMES, JOINTS, H, W, scene, square_mask, write_frames
from tests.support.unusual_videos import write_clip

HUGE = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x00", b"\x80\x00\x00\x00", b"\x00\x01\x00\x00"]
WORDS = [b"null", b"-1", b"1e999", b"NaN", b"[]", b"{}", b'""', b"99999999999999999999", b"true", b",", b'"', b"0"]
SECONDS = 60  # a command that takes longer hangs
MEGABYTES = 4000  # a command may not take more memory


# ---- mutations


def mutate(content: bytes, random: np.random.Generator) -> bytes:
    """Damage a file in one of eight ways: flipped bits, cuts, random bytes, absurd numbers, and so on."""
    data = bytearray(content)
    size = len(data)
    kind = int(random.integers(8))
    place = int(random.integers(size)) if random.random() < 0.5 else int(random.integers(min(size, 256)))  # half of them near the header
    if kind == 0:  # flipped bits
        for _ in range(int(random.integers(1, 20))):
            data[int(random.integers(size))] ^= 1 << int(random.integers(8))
    elif kind == 1:  # cut off
        del data[place:]
    elif kind == 2:  # random bytes over a stretch
        length = int(random.integers(1, 200))
        data[place : place + length] = random.bytes(len(data[place : place + length]))
    elif kind == 3:  # an absurd number in place of four bytes
        data[place : place + 4] = HUGE[int(random.integers(len(HUGE)))]
    elif kind == 4:  # zeros over a stretch
        length = int(random.integers(1, 500))
        data[place : place + length] = bytes(len(data[place : place + length]))
    elif kind == 5:  # a piece is missing, or twice there
        length = int(random.integers(1, 300))
        piece = data[place : place + length]
        data[place : place + length] = b"" if random.random() < 0.5 else piece + piece
    elif kind == 6:  # a word of a text file becomes another
        data[place : place + int(random.integers(1, 6))] = WORDS[int(random.integers(len(WORDS)))]
    else:  # only noise behind the first bytes
        keep = int(random.integers(0, 64))
        data[keep:] = random.bytes(int(random.integers(0, 3000)))
    return bytes(data) if random.random() < 0.5 else with_checksum(bytes(data))


def with_checksum(png: bytes) -> bytes:
    """Correct the checksum of a PNG's header, so that readers believe an absurd size."""
    if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 33:
        return png
    return png[:29] + struct.pack(">I", zlib.crc32(png[12:29])) + png[33:]


# ---- valid files, and the commands that read them


@dataclass(frozen=True)
class Reader:
    """One kind of input.

    Attributes:
        make: writes valid files of this kind into a folder, and returns them.
        line: the command line for a file, without ``--out``.
        out: the name of the result.
    """

    make: Callable[[Path], list[Path]]
    line: Callable[[Path, Path], list[str]]  # (file, folder of the valid inputs) -> words
    out: str = "out"


def _videos(folder: Path) -> list[Path]:
    frames = scene()
    jpeg = write_clip(folder / "mjpeg.avi", frames, codec="mjpeg", pix_fmt="yuvj420p")
    stack = folder / "stack.tif"
    first, *rest = map(Image.fromarray, frames)
    first.save(stack, save_all=True, append_images=rest)
    first.save(folder / "a.gif", save_all=True, append_images=rest, duration=100)
    first.save(folder / "a.webp", save_all=True, append_images=rest, duration=100, lossless=True)
    return [
        *(write_clip(folder / f"a.{ending}", frames, sound="aac") for ending in ("mp4", "mkv", "ts")),
        jpeg, stack, folder / "a.gif", folder / "a.webp",
    ]  # fmt: skip


def _pictures(folder: Path) -> list[Path]:
    frame = Image.fromarray(scene()[2])
    paths = [folder / name for name in ("a.png", "a.jpg", "a.tif", "a.webp", "a.bmp", "a.ppm")]
    for path in paths:
        frame.save(path)
    Image.fromarray(scene()[2, ..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    return [*paths, folder / "deep.png"]


def _masks(folder: Path) -> list[Path]:
    mask = Image.fromarray(square_mask())
    for name in ("gray.png", "a.jpg", "a.tif"):
        mask.save(folder / name)
    mask.convert("P").save(folder / "palette.png")
    mask.convert("RGBA").save(folder / "alpha.png")
    points = [[16, 8], [31, 8], [31, 23], [16, 23]]
    shape = {"label": "box", "points": points, "shape_type": "polygon", "group_id": None}
    (folder / "labelme.json").write_text(json.dumps({"version": "5.0", "shapes": [shape], "imageHeight": H, "imageWidth": W}))
    image = {"id": 1, "height": H, "width": W, "file_name": "a.png"}
    polygon = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[v for point in points for v in point]]}
    runs = {"id": 2, "image_id": 1, "category_id": 1, "iscrowd": 1, "segmentation": {"size": [H, W], "counts": [500, 100, H * W - 600]}}
    coco = {"images": [image], "annotations": [polygon, runs], "categories": [{"id": 1, "name": "box"}]}
    (folder / "coco.json").write_text(json.dumps(coco))
    return sorted(folder.iterdir())


def _joints(folder: Path) -> list[Path]:
    flat = [20, 15, 2, 40, 30, 2]
    category = {"id": 1, "name": "animal", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}
    contents = {
        "own.json": JOINTS,
        "coco.json": {"annotations": [{"image_id": 1, "keypoints": flat}], "categories": [category], "images": [{"id": 1}]},
        "openpose.json": {"version": 1.3, "people": [{"pose_keypoints_2d": [20, 15, 0.9, 40, 30, 0.8] + [0, 0, 0] * 23}]},
        "labelme.json": {"shapes": [{"label": "nose", "points": [[20, 15]], "shape_type": "point"}], "imageHeight": H, "imageWidth": W},
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content))
    (folder / "own.csv").write_text("frame,joint,x,y,confidence\n0,nose,20,15,1\n1,nose,21,15,0.9\n")
    (folder / "dlc.csv").write_text("scorer,a,a,a\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n0,20,15,0.9\n1,21,15,0.8\n")
    return sorted(folder.iterdir())


def _index(folder: Path) -> list[Path]:
    from tinytrack.training.video_index import make_index

    write_clip(folder / "a.mp4", scene(12))
    write_clip(folder / "b.mp4", scene(12))
    return [make_index(folder, workers=1, progress=False)[0]]


def _weights(folder: Path) -> list[Path]:
    from tinytrack.model import random_model

    random_model().save(folder / "model.pt")
    return [folder / "model.pt"]


def _checkpoint(folder: Path) -> list[Path]:
    """Interrupt a training run, which leaves a checkpoint."""
    from tinytrack import __main__ as program
    from tinytrack.training import parallel

    step = parallel.ParallelTrainer.step

    def interrupted(self, *args, **kwargs):
        if self.count >= 1:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    parallel.ParallelTrainer.step = interrupted
    try:
        line = ["train", str(folder.parent / "given/clip.mp4"), "--steps", "2", "--save-every", "0.001"]
        program.main([*line, "--out", str(folder / "m.pt")])
    finally:
        parallel.ParallelTrainer.step = step
    return [folder / "m.unfinished.pt"]


def _track(video, mask, model) -> list[str]:
    return ["track", str(video), "--mask", str(mask), "--model", str(model)]


READERS = {
    "video": Reader(_videos, lambda file, given: _track(file, given / "mask.png", given / "model.pt")),
    "frame": Reader(_pictures, lambda file, given: _track(_among_frames(file, given), given / "mask.png", given / "model.pt")),
    "reference": Reader(
        _pictures, lambda file, given: ["colorize", str(given / "clip.mp4"), "--reference", str(file), "--model", str(given / "model.pt")]
    ),
    "mask": Reader(_masks, lambda file, given: _track(given / "clip.mp4", file, given / "model.pt")),
    "joints": Reader(
        _joints, lambda file, given: ["pose", str(given / "clip.mp4"), "--joints", str(file), "--model", str(given / "model.pt")]
    ),
    "index": Reader(_index, lambda file, given: ["train", str(file), "--steps", "1", "--workers", "0"], "m.pt"),
    "weights": Reader(_weights, lambda file, given: _track(given / "clip.mp4", given / "mask.png", file)),
    "checkpoint": Reader(_checkpoint, lambda file, given: ["train", str(given / "clip.mp4"), "--steps", "2", "--resume"], "m.pt"),
}


def _among_frames(file: Path, given: Path) -> Path:
    """Put a damaged picture among good frames, in a folder beside it."""
    folder = file.parent / "frames"
    frames = scene()
    folder.mkdir()
    for n in range(FRAMES):
        if n != 2:
            Image.fromarray(frames[n]).save(folder / f"{n:05d}{file.suffix}")
    shutil.copy(file, folder / f"00002{file.suffix}")
    return folder


def make_given(folder: Path) -> None:
    """Write the valid inputs that accompany a damaged one."""
    from tinytrack.model import random_model

    folder.mkdir()
    write_clip(folder / "clip.mp4", scene())
    Image.fromarray(square_mask()).save(folder / "mask.png")
    random_model().save(folder / "model.pt")
    write_frames(folder / "frames", scene())


# ---- running


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its status (negative: killed by a signal), what it said, and what it needed."""

    status: int
    said: list[str]
    seconds: float
    megabytes: float
    left: list[str]

    def faults(self) -> list[str]:
        """List what is wrong with it; empty if nothing is."""
        text = "\n".join(self.said)
        found = []
        if self.status not in (0, 2):
            found.append(f"status {self.status}")
        if len(self.said) > 3 or "Traceback" in text:
            found.append("more than a sentence")
        if self.seconds > SECONDS:
            found.append(f"{self.seconds:.0f} seconds")
        if self.megabytes > MEGABYTES:
            found.append(f"{self.megabytes:.0f} MB")
        if self.status == 2 and self.left:
            found.append(f"left behind: {self.left}")
        return found


def run_forked(line: list[str], folder: Path) -> Outcome:
    """Run a command in a forked process, which starts fast because everything is imported already."""
    before = {path.name for path in folder.iterdir()}
    out, err = folder / "stdout", folder / "stderr"
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(line, folder, out, err)
    # wait, but not for ever
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() - began > SECONDS + 5:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    seconds = time.monotonic() - began
    said = result_of(0, "", err.read_text(errors="replace")).said
    left = sorted({path.name for path in folder.iterdir()} - before - {"stdout", "stderr", "frames"})
    return Outcome(os.waitstatus_to_exitcode(status), said, seconds, usage.ru_maxrss / 1024, left)


def _child(line: list[str], folder: Path, out: Path, err: Path) -> None:
    """Be the forked process: run the command and exit, whatever happens."""
    from tinytrack import __main__ as program

    status = 1
    try:
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        status = program.main(line)
    except SystemExit as end:
        status = end.code
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


def run_mutations(name: str, count: int, seed: int, folder: Path, tell: Callable[[int, str, Outcome], None]) -> list[str]:
    """Run a reader's command on ``count`` damaged files; returns one line per fault.

    Args:
        name: a key of :data:`READERS`.
        count: number of files.
        seed: same seed, same files.
        folder: an empty folder for files.
        tell: called after each run with its number, the name of the valid file and the outcome.
    """
    reader, faults = READERS[name], []
    make_given(folder / "given")
    (folder / "valid").mkdir()
    files = reader.make(folder / "valid")
    for number in range(count):
        random = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
        source = files[number % len(files)]
        work = folder / "work"
        shutil.copytree(folder / "valid", work) if name in ("index", "checkpoint") else work.mkdir()
        if name == "checkpoint" and number % 2:  # without the checkpoint before it, a damaged one cannot be resumed
            (work / "m.unfinished.old.pt").unlink(missing_ok=True)
        damaged = work / source.name
        damaged.write_bytes(mutate(source.read_bytes(), random))
        outcome = run_forked([*reader.line(damaged, folder / "given"), "--out", str(work / reader.out)], work)
        tell(number, source.name, outcome)
        faults += [f"{name} {number} ({source.name}): {fault}: {outcome.said[-3:]}" for fault in outcome.faults()]
        shutil.rmtree(work)
    return faults
