"""Run a process with limits on its time, its memory and what it prints."""

import contextlib
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .packages import needed

LOG_BYTES = 10_000_000  # what the process may print
POLL = 0.1  # seconds


@dataclass(frozen=True)
class Limits:
    """Limits of one notebook: seconds and gigabytes in all."""

    seconds: float = 180.0
    gigabytes: float = 4.0


def limited_process(command: list[str], folder: Path, log: Path, limits: Limits) -> str:
    """Run a command until it ends or exceeds a limit. Its children end with it.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        log: a file for what it prints.
        limits: on time and memory.

    Returns:
        Why it was stopped, for example "it was stopped after 180 seconds"; empty if it ended by itself.
    """
    psutil = needed("psutil")
    end, reason = time.monotonic() + limits.seconds, ""
    with open(log, "wb") as output:
        process = psutil.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        while process.poll() is None and not reason:
            time.sleep(POLL)
            if time.monotonic() > end:
                reason = f"it was stopped after {limits.seconds:g} seconds"
            elif _memory(process) > limits.gigabytes * 1e9:
                reason = f"it was stopped at {limits.gigabytes:g} GB of memory"
            elif log.stat().st_size > LOG_BYTES:
                reason = f"it was stopped after it had printed {LOG_BYTES / 1e6:g} MB"
    finally:  # also on Ctrl-C
        for one in [*_children(process), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()
    return reason


def _memory(process) -> int:
    """Return the bytes that a process and its children hold."""
    total = 0
    for one in [process, *_children(process)]:
        with contextlib.suppress(needed("psutil").NoSuchProcess):
            total += one.memory_info().rss
    return total


def _children(process) -> list:
    with contextlib.suppress(needed("psutil").NoSuchProcess):
        return process.children(recursive=True)
    return []
