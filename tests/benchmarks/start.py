"""How long does it take to begin? Fresh processes, in turn; medians."""

import subprocess
import sys

from . import ratio

ABOUT = {
    "import_over_torch": ("<= 1.10", "what a notebook imports (model, track, video), as a multiple of 'import torch'"),
    "import_package_seconds": ("", "import tinytrack alone"),
    "help_seconds": ("< 0.5", "python -m tinytrack --help"),
}


def fresh(*arguments: str):
    """Run a Python of its own."""

    def run():
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)

    return run


def measure(rounds: int = 5) -> dict:
    _, speed = ratio(fresh("-c", "import torch"), fresh("-c", "import tinytrack.model, tinytrack.track, tinytrack.io.video"), rounds)
    help_seconds, _ = ratio(fresh("-c", "import tinytrack"), fresh("-m", "tinytrack", "--help"), rounds)
    package_seconds, _ = ratio(fresh("-c", "pass"), fresh("-c", "import tinytrack"), rounds)
    return {"import_over_torch": 1 / speed, "import_package_seconds": package_seconds, "help_seconds": help_seconds}
