"""The program: ``python -m tinytrack COMMAND``, or ``tinytrack COMMAND``. Its arguments and commands are in ``cli``."""

import os
import signal
import sys

from .cli.commands import COMMANDS
from .cli.parser import build_parser
from .errors import TinytrackError, describe_os_error

INTERRUPTED = "interrupted: nothing was written"


class _Interrupt(KeyboardInterrupt):
    """Ctrl-C. A plain KeyboardInterrupt that has passed through ``exec`` makes Python end by the signal instead of our status."""


def _interrupt(*_) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not disturb the cleaning up after the first
    raise _Interrupt


def _leave(*_) -> None:
    os.write(2, f"tinytrack: {INTERRUPTED}\n".encode())
    os._exit(2)


def _import_torch() -> None:
    """Import torch. A KeyboardInterrupt in the middle of that would abort the process in C++, so until then Ctrl-C just exits."""
    import torch  # noqa: F401

    signal.signal(signal.SIGINT, _interrupt)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 2 with one sentence on the error stream.

    Without ``argv`` this is the program of the process, and takes over its Ctrl-C (unless that is ignored, as in a shell's background).
    """
    program = argv is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if program:
        signal.signal(signal.SIGINT, _leave)
        # Read when torch is loaded. By default its threads spin while they wait for each other, which takes the CPU away from the
        # threads they wait for as soon as anything else runs: our own decoder and encoder, or other programs.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # file names may hold bytes that are not text, and messages quote them
            stream.reconfigure(errors="backslashreplace")
    args = build_parser().parse_args(argv)
    # run the command; every expected error becomes one sentence
    try:
        if program:
            _import_torch()
        COMMANDS[args.command](args)
        return 0
    except TinytrackError as error:
        sentence = str(error)
    except KeyboardInterrupt:
        sentence = INTERRUPTED
    except MemoryError:
        sentence = "there is not enough memory for this video: expected smaller frames"
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's class, by name because torch may not have been imported
            raise
        sentence = "there is not enough GPU memory: expected smaller frames, or in training a smaller --batch or a larger --accumulate"
    except OSError as error:
        sentence = f"cannot go on with '{error.filename or args.command}': {describe_os_error(error)}"
    finally:
        if program:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left takes no time, and an interrupt would only show a traceback
    print(f"tinytrack: {' '.join(sentence.split())}", file=sys.stderr)  # names in it may contain line breaks
    return 2


if __name__ == "__main__":
    sys.exit(main())
