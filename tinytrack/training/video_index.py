"""The index of a folder of videos: path, length, size and rate of each, or why it cannot be read.

Made once, in parallel, as a CSV file with one line per video. Made again, it probes only files that are new or have changed.
"""

import contextlib
import csv
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..datasets.folders import VideoFolder
from ..errors import ClipError, OutputError, VideoError, describe_os_error
from ..io.atomic import making, staged_file
from ..io.paths import user_path
from ..io.seek import NEAR_THE_END
from ..io.video import FOLDER_FPS, Video, list_images

NAME = "tinytrack-index.csv"  # The file in the folder, unless another is named.
FORMAT = "tinytrack index 1"
COLUMNS = ("path", "bytes", "changed", "seconds", "fps", "height", "width", "problem")
ENDS = ("\n", "\r")  # Of a line (the latter within a name); one without is not whole.
SHORTEST = 2  # Frames that a video needs to move.
START = "fork" if sys.platform == "linux" else "spawn"  # How processes begin: as a copy of this one, which is quick, where that is safe.


@dataclass(frozen=True)
class Entry:
    """What the index says of one video.

    Attributes:
        path: of the file or folder of frames, as seen from the indexed folder.
        bytes, changed: size and time of last change (nanoseconds), by which a changed file is known; of a folder, its pictures' number.
        seconds: from the first frame to the last.
        fps: frames a second, on average.
        height, width: of an upright frame.
        problem: why it cannot be trained on, one sentence; empty if it can.
    """

    path: str
    bytes: int
    changed: int
    seconds: float = 0.0
    fps: float = 0.0
    height: int = 0
    width: int = 0
    problem: str = ""

    def row(self) -> list[str]:
        """Its line of the file."""
        return [self.path, self.bytes, self.changed, f"{self.seconds:.3f}", f"{self.fps:.4f}", self.height, self.width, self.problem]

    @classmethod
    def of_row(cls, row: list[str]) -> "Entry":
        """From its line of the file. Raises ValueError if that is none."""
        if len(row) != len(COLUMNS):
            raise ValueError("not a line of an index")
        path, size, changed, seconds, fps, height, width, problem = row
        entry = cls(path, int(size), int(changed), float(seconds), float(fps), int(height), int(width), problem)
        if not problem and not entry.possible():
            raise ValueError("no video is like that")
        return entry

    def possible(self) -> bool:
        """Whether a video can be so long, so fast and so large: a file may have been changed by hand."""
        return 0 <= self.seconds < 1e8 and 0 < self.fps < 1e4 and all(0 < side < 1e5 for side in (self.height, self.width))


def _stamp(path: Path) -> tuple[int, int]:
    """(bytes, time of last change): what tells that a file is still the same."""
    info = os.stat(path)
    return (len(list_images(path)) if path.is_dir() else info.st_size), info.st_mtime_ns


def sentence(error: VideoError, path: Path, name: str) -> str:
    """What an error says, in one line that can be printed, with the name that the index has for the file."""
    text = " ".join(str(error).replace(str(path), name).split())
    return text.encode("utf-8", "backslashreplace").decode()


def probe(path: Path, name: str) -> Entry:
    """Look at one video: its header, its first frame, and one near its end. Most damage shows there; the rest shows in training."""
    try:
        stamp = _stamp(path)
    except OSError as error:
        return Entry(name, 0, 0, problem=f"'{name}' cannot be read: {describe_os_error(error)}")
    except VideoError as error:
        return Entry(name, 0, 0, problem=sentence(error, path, name))
    try:
        video = Video(path)
        height, width, fps = video.height, video.width, video.fps
        if path.is_dir():
            seconds = (len(list_images(path)) - 1) / FOLDER_FPS
            video.frames_at([0, seconds], size=(8, 8))
        else:
            seconds = _last_frame(video)
        if not 0 < fps < 1e4 or seconds * fps < SHORTEST - 1.5:
            raise VideoError(f"'{path}' has one frame: expected a video of at least {SHORTEST}")
        return Entry(name, *stamp, seconds, fps, height, width)
    except VideoError as error:
        return Entry(name, *stamp, problem=sentence(error, path, name))


def _last_frame(video: Video) -> float:
    """Seconds from the first frame of a file to the last one that can be decoded near where its header ends."""
    promised = video.seconds
    if promised is None:  # some formats do not say: then all of it is decoded
        return (sum(1 for _ in video.frames(size=(8, 8))) - 1) / video.fps
    last = max(0.0, promised - 1 / video.fps)
    video.frames_at([max(0.0, last - NEAR_THE_END / 2), last], size=(8, 8))
    return last


def _read(path: Path) -> Iterator[Entry]:
    """The entries of an index, or of the journal of an unfinished one, as far as they are whole: the last line may be cut short.

    Any other line that is none is an entry with a problem.
    """
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        lines = (line.replace("\0", "") for line in file if line.endswith(ENDS))
        with contextlib.suppress(csv.Error):
            for row in csv.reader(lines):
                if not row or row[0] == FORMAT or row == list(COLUMNS):
                    continue
                try:
                    yield Entry.of_row(row)
                except ValueError:
                    yield Entry(row[0], 0, 0, problem=f"'{row[0]}' has a line that was not written by 'tinytrack data index'")


def _write(path: Path, head: list[str], entries: Iterable[Entry]) -> None:
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerow(COLUMNS)
        writer.writerows(entry.row() for entry in entries)


def journal_path(out: Path) -> Path:
    """Where the lines of an unfinished index stand."""
    return out.with_name(out.name + ".unfinished")


def make_index(
    folder: str | os.PathLike,
    out: str | os.PathLike | None = None,
    workers: int | None = None,
    progress: bool = True,
    look: Callable[[Path, str], Entry] = probe,
) -> tuple[Path, list[Entry]]:
    """Index every video below a folder (see :class:`~tinytrack.clips.VideoFolder`), in processes; return the file and its entries.

    Stopped at any time, it goes on where it was: what has been looked at stands in a journal beside the index. Files that have not
    changed since they were last looked at are not looked at again.

    Args:
        folder: where the videos are.
        out: the file to write; default: :data:`NAME` in the folder.
        workers: processes; default: one a processor.
        look: what a process does with a file.

    Raises:
        ClipError: if the folder holds no videos.
        OutputError: if the index cannot be written.
    """
    from tqdm import tqdm

    folder = user_path(folder)
    if not folder.is_dir():
        raise ClipError(f"no such folder: '{folder}': expected one that holds videos")
    out = user_path(out) if out is not None else folder / NAME
    if out.suffix != ".csv":
        raise OutputError(f"cannot write an index to '{out}': expected a name that ends in .csv")
    videos = VideoFolder(folder)
    names = {os.path.relpath(path, folder): path for path in videos.paths}
    journal = journal_path(out)
    known = {}
    for path in (out, journal):
        if path.is_file():
            known |= {entry.path: entry for entry in _read(path)}
    done = {name: known[name] for name, path in names.items() if name in known and _unchanged(known[name], path)}
    todo = [(path, name) for name, path in names.items() if name not in done]
    head = [FORMAT, os.path.relpath(os.path.realpath(folder), os.path.realpath(out.parent))]
    with making(out.parent, f"'{out}'"):
        # Rewritten first: a line that was cut short would swallow the next one.
        with staged_file(journal) as scratch:
            _write(scratch, head, done.values())
        with open(journal, "a", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            found = _look_at_all(todo, workers or os.cpu_count() or 1, look)
            for entry in tqdm(found, "indexing", len(names), initial=len(done), unit=" videos", disable=not progress):
                done[entry.path] = entry
                writer.writerow(entry.row())
                file.flush()
        entries = [done[name] for name in names]
        with staged_file(out) as scratch:
            _write(scratch, head, entries)
        journal.unlink()
    return out, entries


def _unchanged(entry: Entry, path: Path) -> bool:
    try:
        return (entry.bytes, entry.changed) == _stamp(path) and entry.changed != 0
    except (OSError, VideoError):
        return False


def _look_at_all(todo: list[tuple[Path, str]], workers: int, look: Callable) -> Iterator[Entry]:
    """look(path, name) of all, in the order in which they are ready."""
    waiting = iter(todo)
    while batch := list(itertools.islice(waiting, 64 * workers)):
        missing = dict(enumerate(batch))
        with contextlib.suppress(BrokenProcessPool):
            for number, entry in _in_processes(missing, workers, look):
                del missing[number]
                yield entry
        # A file on which the decoder itself crashed took the whole pool with it: one at a time tells which it was.
        for number, (path, name) in missing.items():
            try:
                yield from (entry for _, entry in _in_processes({number: (path, name)}, 1, look))
            except BrokenProcessPool:
                size, changed = _stamp(path)
                yield Entry(name, size, changed, problem=f"'{name}' crashes the decoder: expected a video")


def _in_processes(items: dict[int, tuple[Path, str]], workers: int, look: Callable) -> Iterator[tuple[int, Entry]]:
    context = multiprocessing.get_context(START)
    pool = ProcessPoolExecutor(min(workers, len(items)), context, initializer=_follow, initargs=[os.getpid()])
    try:
        futures: dict[Future, int] = {pool.submit(look, *item): number for number, item in items.items()}
        while futures:
            for future in wait(futures, return_when=FIRST_COMPLETED).done:
                yield futures.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _follow(first: int) -> None:
    """Ctrl-C is for the first process, which ends the others; if it is killed, they end by themselves."""

    def watch() -> None:
        while os.getppid() == first:
            time.sleep(0.5)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


class VideoIndex:
    """The videos of an index that can be read, or of several, in a form that costs a process of 300,000 videos some 30 MB.

    Names stand in one block of bytes, numbers in arrays: of a list of Python's own objects every process that reads them makes a
    copy little by little (it counts references), and memory would grow.

    Args:
        paths: files that ``tinytrack data index`` wrote.

    Raises:
        ClipError: if one is missing, is no index, or no video in it can be read.
    """

    def __init__(self, *paths: str | os.PathLike):
        self.roots: list[str] = []
        self.problems: list[str] = []
        names, ends, numbers, root_of = bytearray(), [0], [], []
        for path in map(user_path, paths):
            try:
                with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
                    head = next(csv.reader(file), [])
            except (OSError, csv.Error) as error:
                raise ClipError(f"the index '{path}' cannot be read: expected a file written by 'tinytrack data index'") from error
            if len(head) != 2 or head[0] != FORMAT:
                raise ClipError(f"'{path}' is not an index of videos: expected a file written by 'tinytrack data index'")
            for entry in _read(path):
                if entry.problem:
                    self.problems.append(entry.problem)
                    continue
                names += os.fsencode(entry.path)
                ends.append(len(names))
                numbers.append((entry.seconds, entry.fps, entry.height, entry.width))
                root_of.append(len(self.roots))
            self.roots.append(os.path.join(os.path.realpath(path.parent), head[1]))
        if not numbers:
            if self.problems:
                raise ClipError(f"no video in the index '{paths[0]}' can be read: {self.problems[0]}")
            raise ClipError(f"the index '{paths[0]}' names no video: expected a line a video")
        self._names, self._ends, self._root_of = bytes(names), np.array(ends), np.array(root_of, dtype=np.uint16)
        self.seconds, self.fps, height, width = np.array(numbers).T.copy()
        self.size = np.stack([height, width], axis=1).astype(np.int32)

    def __len__(self) -> int:
        return len(self.seconds)

    def name(self, i: int) -> str:
        """Path of video i, as seen from the indexed folder."""
        return os.fsdecode(self._names[self._ends[i] : self._ends[i + 1]])

    def video(self, i: int) -> Video:
        """Video i."""
        name = self.name(i)
        return Video(Path(self.roots[self._root_of[i]], name), name=name)

    def fingerprint(self) -> list[int]:
        """Three numbers that change with the videos."""
        return [len(self), round(float(self.seconds.sum(dtype=np.float64))), zlib.crc32(self._names)]
