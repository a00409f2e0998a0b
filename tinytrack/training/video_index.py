"""Index a folder of videos: path, length, size and frame rate of each, or why it cannot be read.

The index is a CSV file with one line per video, made by several processes. Making it again probes only new and changed files.
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
from ..io.results import check_file
from ..io.seek import NEAR_THE_END
from ..io.series import list_images
from ..io.video import Video
from .processes import safe_fork

NAME = "tinytrack-index.csv"  # the file in the indexed folder, unless the user names another
FORMAT = "tinytrack index 1"
COLUMNS = ("path", "bytes", "changed", "seconds", "fps", "height", "width", "problem")
ENDS = ("\n", "\r")  # line endings; a line without one is truncated (a carriage return can be part of a name)
DAMAGED = -1  # in place of the modification time: this is a line that is no entry
LONGEST = 20_000  # characters of a record: a path and a sentence about it, with room to spare
FASTEST = 1e6  # frames per second of a video; more is a damaged entry
SHORTEST = 2  # frames that a video needs to show motion
START = "fork" if sys.platform == "linux" else "spawn"  # how processes start; forking is quick, but safe only on Linux


@dataclass(frozen=True)
class Entry:
    """The row of one video in the index.

    Attributes:
        path: of the file or folder of frames, relative to the indexed folder.
        bytes, changed: size and modification time (nanoseconds), which tell whether a file has changed; for a folder of frames,
            ``bytes`` is the number of pictures.
        seconds: from the first frame to the last.
        fps: frames per second, on average.
        height, width: of an upright frame.
        problem: one sentence on why it cannot be trained on; empty if it can.
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
        """Return the cells of the row."""
        return [self.path, self.bytes, self.changed, f"{self.seconds:.3f}", f"{self.fps:.4f}", self.height, self.width, self.problem]

    @classmethod
    def of_row(cls, row: list[str]) -> "Entry":
        """Make an entry from the cells of a row. Raises ValueError if they are not those of an entry."""
        if len(row) != len(COLUMNS):
            raise ValueError("not a row of an index")
        path, size, changed, seconds, fps, height, width, problem = row
        entry = cls(path, int(size), int(changed), float(seconds), float(fps), int(height), int(width), problem)
        if not problem and not entry.possible():
            raise ValueError("no video has this length, frame rate or size")
        return entry

    def possible(self) -> bool:
        """Tell whether a video can have this length, frame rate and size; the index may have been edited by hand."""
        return 0 <= self.seconds < 1e8 and 0 < self.fps < FASTEST and all(0 < side < 1e5 for side in (self.height, self.width))


def _stamp(path: Path) -> tuple[int, int]:
    """Return an entry's (bytes, changed), which tell whether a file is still the same."""
    info = os.stat(path)
    return (len(list_images(path)) if path.is_dir() else info.st_size), info.st_mtime_ns


def sentence(error: VideoError, path: Path, name: str) -> str:
    """Turn an error into one printable line, in which the file has its name from the index."""
    return _printable(str(error).replace(f"'{path}", f"'{name}"))  # with its quotation mark: a path can be as short as "v"


def _printable(text: str) -> str:
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode()


def probe(path: Path, name: str) -> Entry:
    """Check the header, the first frame and one near the end of a video. Most damage shows there; the rest shows in training."""
    try:
        stamp = _stamp(path)
    except OSError as error:
        return Entry(name, 0, 0, problem=f"'{name}' cannot be read: {describe_os_error(error)}")
    except VideoError as error:
        return Entry(name, 0, 0, problem=sentence(error, path, name))
    # read the header, and decode near the end
    try:
        video = Video(path)
        height, width, fps = video.height, video.width, video.fps
        if video.of_pictures:
            seconds = video.times[-1]
            video.frames_at([0, seconds], size=(8, 8))
        else:
            seconds = _last_frame(video)
        if not 0 < fps < FASTEST or seconds * fps < SHORTEST - 1.5:
            raise VideoError(f"'{path}' has one frame: expected a video of at least {SHORTEST}")
        return Entry(name, *stamp, seconds, fps, height, width)
    except VideoError as error:
        return Entry(name, *stamp, problem=sentence(error, path, name))


def _last_frame(video: Video) -> float:
    """Return the seconds from the first frame of a file to its last one, after making sure that the frames near the end can be decoded."""
    promised = video.seconds
    if promised is None:  # some formats do not say, so decode everything
        return (sum(1 for _ in video.frames(size=(8, 8))) - 1) / video.fps
    last = max(0.0, promised - 1 / video.fps)
    video.frames_at([max(0.0, last - NEAR_THE_END / 2), last], size=(8, 8))
    return last


def _read(path: Path) -> Iterator[Entry]:
    """Yield the entries of an index, or of the journal of an unfinished one; a last line that is truncated is ignored.

    Any other line that is not an entry is returned as a :data:`DAMAGED` entry whose problem names the line.
    """
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.replace("\0", "") for line in file if line.endswith(ENDS)]
    for number, text in _records(lines):
        try:
            row = next(csv.reader([text], strict=True), [])  # strict: a quotation mark without a partner is an error
            if not row or row[0] == FORMAT or row == list(COLUMNS):
                continue
            yield Entry.of_row(row)
        except (csv.Error, ValueError):
            name = text.split(",")[0][:200].strip()
            problem = f"line {number} of '{path.name}' was not written by 'tinytrack data index': '{name}' is left out"
            yield Entry(name, 0, DAMAGED, problem=_printable(problem))


def _records(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Join lines to CSV records, and yield each with the number of its first line.

    A quoted name may contain line breaks, so a record may span lines until its quotation marks are paired. If that takes longer than
    any record is, the first line is damaged: it is yielded alone, and the lines after it are read as usual.
    """
    start = 0
    while start < len(lines):
        text, stop = lines[start], start + 1
        while text.count('"') % 2 and stop < len(lines) and len(text) < LONGEST:
            text += lines[stop]
            stop += 1
        if text.count('"') % 2:
            text, stop = lines[start], start + 1
        yield start + 1, text
        start = stop


def _write(path: Path, head: list[str], entries: Iterable[Entry]) -> None:
    """Write an index: the line ``head``, the names of the columns, and one row per entry."""
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerow(COLUMNS)
        writer.writerows(entry.row() for entry in entries)


def is_index(path: Path) -> bool:
    """Tell whether a file begins as an index does, or the journal of an unfinished one; the rest of it may be damaged."""
    try:
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            return next(csv.reader([file.readline(LONGEST)]), [])[:1] == [FORMAT]
    except (OSError, csv.Error):
        return False


def journal_path(out: Path) -> Path:
    """Return where the rows of an unfinished index are kept."""
    return out.with_name(out.name + ".unfinished")


def make_index(
    folder: str | os.PathLike,
    out: str | os.PathLike | None = None,
    workers: int | None = None,
    progress: bool = True,
    look: Callable[[Path, str], Entry] = probe,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[Path, list[Entry]]:
    """Index every video below a folder (see :class:`~tinytrack.datasets.folders.VideoFolder`); return the file and its entries.

    An interrupted call can be resumed: every finished entry is kept in a journal next to the index. Files that have not changed
    since they were last probed are not probed again.

    Args:
        folder: where the videos are.
        out: the file to write; default: :data:`NAME` in the folder.
        workers: number of processes; default: one per processor.
        progress: whether to show a progress bar.
        look: the function that makes the entry of a file from its path and its name in the index; runs in the processes.
        tell: called with a sentence on files that are no videos.

    Raises:
        ClipError: if the folder holds no videos.
        OutputError: if the index cannot be written, or would replace a file that is no index.
    """
    from tqdm import tqdm

    folder = user_path(folder)
    if not folder.is_dir():
        raise ClipError(f"no such folder: '{folder}': expected one that holds videos")
    out = user_path(out) if out is not None else folder / NAME
    if out.suffix != ".csv":
        raise OutputError(f"cannot write an index to '{out}': expected a name that ends in .csv")
    journal = journal_path(out)
    for path in (out, journal):
        check_file(path, "an index written by 'tinytrack data index'", is_index, [folder])
    # find the videos, and which of them an earlier call has already indexed
    videos = VideoFolder(folder)
    names = {os.path.relpath(path, folder): path for path in videos.paths}
    if videos.left_out([out, journal]):
        tell(_printable(videos.left_out([out, journal])))
    known = {}
    for path in (out, journal):
        if path.is_file():
            known |= {entry.path: entry for entry in _read(path)}
    done = {name: known[name] for name, path in names.items() if name in known and _unchanged(known[name], path)}
    todo = [(path, name) for name, path in names.items() if name not in done]
    head = [FORMAT, os.path.relpath(os.path.realpath(folder), os.path.realpath(out.parent))]
    with making(out.parent, f"'{out}'"):
        # Rewrite the journal first, because the next line would be appended to a truncated last one.
        with staged_file(journal) as scratch:
            _write(scratch, head, done.values())
        # probe the other videos, and note each result in the journal
        with open(journal, "a", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            found = _look_at_all(todo, workers or os.cpu_count() or 1, look)
            for entry in tqdm(found, "indexing", len(names), initial=len(done), unit=" videos", disable=not progress):
                done[entry.path] = entry
                writer.writerow(entry.row())
                file.flush()
        # the journal is complete: write the index, in the order of the folder
        entries = [done[name] for name in names]
        with staged_file(out) as scratch:
            _write(scratch, head, entries)
        journal.unlink()
    return out, entries


def _unchanged(entry: Entry, path: Path) -> bool:
    """Tell whether a file is still the one that the entry describes."""
    try:
        return (entry.bytes, entry.changed) == _stamp(path) and entry.changed != 0
    except (OSError, VideoError):
        return False


def _look_at_all(todo: list[tuple[Path, str]], workers: int, look: Callable) -> Iterator[Entry]:
    """Call ``look(path, name)`` for every video; yields the entries in the order in which they become ready."""
    waiting = iter(todo)
    while batch := list(itertools.islice(waiting, 64 * workers)):
        missing = dict(enumerate(batch))
        with contextlib.suppress(BrokenProcessPool):
            for number, entry in _in_processes(missing, workers, look):
                del missing[number]
                yield entry
        # A file that crashes the decoder takes the whole pool down with it. Trying the rest one by one shows which file it is.
        for number, (path, name) in missing.items():
            try:
                yield from (entry for _, entry in _in_processes({number: (path, name)}, 1, look))
            except BrokenProcessPool:
                size, changed = _stamp(path)
                yield Entry(name, size, changed, problem=f"'{name}' crashes the decoder: expected a video")


def _in_processes(items: dict[int, tuple[Path, str]], workers: int, look: Callable) -> Iterator[tuple[int, Entry]]:
    """Call ``look`` for numbered items in a pool of processes; yields (number, entry) as they become ready."""
    context = multiprocessing.get_context(START)
    pool = ProcessPoolExecutor(min(workers, len(items)), context, initializer=_follow, initargs=[os.getpid()])
    try:
        with safe_fork():  # the pool starts its processes when the first items are submitted
            futures: dict[Future, int] = {pool.submit(look, *item): number for number, item in items.items()}
        while futures:
            for future in wait(futures, return_when=FIRST_COMPLETED).done:
                yield futures.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _follow(parent: int) -> None:
    """Make this process ignore Ctrl-C, which is handled by its parent process, and exit as soon as the parent is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


class VideoIndex:
    """The readable videos of one or several indexes, stored compactly: 300,000 videos take about 30 MB per process.

    Names are stored in one block of bytes, and numbers in arrays. Memory would grow with a list of Python objects, because every
    process that reads them writes to their reference counts and so makes its own copy little by little.

    Args:
        paths: files that ``tinytrack data index`` wrote.

    Raises:
        ClipError: if a file is missing or is not an index, or if no video in them can be read.
    """

    def __init__(self, *paths: str | os.PathLike):
        self.roots: list[str] = []
        self.problems: list[str] = []
        self.damaged: list[str] = []
        names, ends = bytearray(), [0]
        numbers, root_of = [], []
        for path in map(user_path, paths):
            # check the header
            try:
                with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
                    head = next(csv.reader(file), [])
            except (OSError, csv.Error) as error:
                raise ClipError(f"the index '{path}' cannot be read: expected a file written by 'tinytrack data index'") from error
            if len(head) != 2 or head[0] != FORMAT:
                raise ClipError(f"'{path}' is not an index of videos: expected a file written by 'tinytrack data index'")
            # collect the videos that can be read
            for entry in _read(path):
                if entry.problem:
                    self.problems.append(entry.problem)
                    if entry.changed == DAMAGED:
                        self.damaged.append(entry.problem)
                    continue
                names += os.fsencode(entry.path)
                ends.append(len(names))
                numbers.append((entry.seconds, entry.fps, entry.height, entry.width))
                root_of.append(len(self.roots))
            self.roots.append(os.path.join(os.path.realpath(path.parent), head[1]))
        if not numbers:
            if self.problems:
                raise ClipError(f"no video in the index '{paths[0]}' can be read: {self.problems[0]}")
            raise ClipError(f"the index '{paths[0]}' names no video: expected one line per video")
        # lists -> compact arrays
        self._names = bytes(names)
        self._ends = np.array(ends)
        self._root_of = np.array(root_of, dtype=np.uint16)
        self.seconds, self.fps, height, width = np.array(numbers).T.copy()
        self.size = np.stack([height, width], axis=1).astype(np.int32)

    def __len__(self) -> int:
        return len(self.seconds)

    def name(self, i: int) -> str:
        """Return the path of video i, relative to the indexed folder."""
        return os.fsdecode(self._names[self._ends[i] : self._ends[i + 1]])

    def video(self, i: int) -> Video:
        """Return video i."""
        name = self.name(i)
        return Video(Path(self.roots[self._root_of[i]], name), name=name)

    def fingerprint(self) -> list[int]:
        """Return three numbers that change when the set of videos changes."""
        return [len(self), round(float(self.seconds.sum(dtype=np.float64))), zlib.crc32(self._names)]
