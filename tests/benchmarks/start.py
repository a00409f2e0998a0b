"""Measure how long the package takes to import and the command line takes to start, as medians over fresh processes."""

import subprocess
import sys

from . import ratio

ABOUT = {
    "import_over_torch": ("<= 1.10", "time to import what a notebook needs (model, track, video), as a multiple of 'import torch'"),
    "import_package_seconds": ("", "seconds for 'import tinytrack' alone"),
    "help_seconds": ("< 0.5", "seconds for 'python -m tinytrack --help'"),
}


def fresh(*arguments: str):
    """A function that runs a fresh Python process with these arguments."""

    def run():
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)

    return run


def measure(rounds: int = 2) -> dict:
    _, speed = ratio(fresh("-c", "import torch"), fresh("-c", "import tinytrack.model, tinytrack.track, tinytrack.io.video"), rounds)
    help_seconds, _ = ratio(fresh("-c", "import tinytrack"), fresh("-m", "tinytrack", "--help"), rounds)
    package_seconds, _ = ratio(fresh("-c", "pass"), fresh("-c", "import tinytrack"), rounds)
    return {"import_over_torch": 1 / speed, "import_package_seconds": package_seconds, "help_seconds": help_seconds}
