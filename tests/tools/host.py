"""Try the notebooks as a host such as Colab runs them: python -m tests.tools.host FOLDER

The host is a new environment with an old ipywidgets (7.7.1) and without tinytrack. It gets a wheel and notebooks 00 and 03, whose first
cell installs the wheel. Then the tests construct all demos there. This takes minutes and downloads as much as an installation does.
It is not Colab: its machines, its page and its other packages were not tried.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ("00_tour.ipynb", "03_pointer_copy.ipynb")
HAS = ["torch==2.13.0", "numpy>=2,<3", "matplotlib", "ipywidgets==7.7.1", "ipykernel", "nbclient", "nbformat", "pytest"]
WATCHED = ("torch", "numpy", "ipywidgets")  # what the first cell must leave as it is
RUN = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], as_version=4)
for cell in notebook.cells:
    cell.pop("outputs", None) if cell.cell_type != "code" else cell.update(outputs=[], execution_count=None)
nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
print(sys.argv[1], "ran,", sum(cell.cell_type == "code" for cell in notebook.cells), "cells")
"""
VERSIONS = f"import importlib.metadata as m; print({{name: m.version(name) for name in {WATCHED!r}}})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a new folder for the environment, the wheel and the notebooks")
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True)

    def call(*command, **options) -> str:
        result = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
        if result.returncode:
            sys.exit(f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}")
        return result.stdout.strip()

    # the host, and a wheel next to the notebooks
    call(sys.executable, "-m", "venv", folder / "host")
    python = folder / "host" / "bin" / "python"
    call(python, "-m", "pip", "install", "--quiet", *HAS)
    call(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT)
    for name in NOTEBOOKS:
        shutil.copy(ROOT / "notebooks" / name, folder)
    before = call(python, "-c", VERSIONS)
    # the first notebook installs the wheel
    for name in NOTEBOOKS:
        print(call(python, "-c", RUN, name, cwd=folder))
    after = call(python, "-c", VERSIONS)
    print(f"before: {before}\nafter:  {after}")
    if before != after:
        sys.exit("the first cell has changed what the host had")
    # all demos
    demos = ["tests/interactive/test_demos.py", "tests/interactive/test_studio.py"]
    print(call(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *demos, cwd=ROOT).splitlines()[-1])


if __name__ == "__main__":
    main()
