"""Read the exercises of a lesson: the section "Exercises" of its notebook, from this heading to the next one."""

import ast
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import TinytrackError

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
HEADING = re.compile(r"^## Exercises *$", re.MULTILINE)
NEXT_HEADING = re.compile(r"^#{1,2} ", re.MULTILINE)
STATEMENT = re.compile(r"^(?=\*\*[^\n]*[★☆])", re.MULTILINE)  # its first line shows how difficult the exercise is
CHECK = re.compile(r"\n*^check\.(\w+)\(my_\1\) *$\n*", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`|<code>(.+?)</code>")
ALWAYS = {"np", "torch", "check"}  # imported even if no text mentions them
NOT_WRITTEN = "raise NotImplementedError"


@dataclass(frozen=True)
class Task:
    """One exercise.

    Attributes:
        name: the exercise's name, such as "affinity"; its check is ``check.affinity``.
        statement: what to do, with the folded hints, in Markdown.
        given: code cells that come before the stub.
        stub: the function to complete, named "my_" and the exercise's name. Its body is a docstring and ``raise NotImplementedError``.
        solution: what takes the place of that line, indented by four spaces.
    """

    name: str
    statement: str
    given: tuple[str, ...]
    stub: str
    solution: str

    @property
    def function(self) -> str:
        return f"my_{self.name}"

    @property
    def check(self) -> str:
        return f"check.{self.name}({self.function})"


@dataclass(frozen=True)
class Lesson:
    """The exercises of one notebook.

    Attributes:
        stem: the notebook's name without its ending, such as "03_pointer_copy".
        title: the notebook's heading.
        install: the cell that installs tinytrack where it is missing.
        imports: the import statements that its exercises need.
        tasks: its exercises, in order.
    """

    stem: str
    title: str
    install: str
    imports: str
    tasks: tuple[Task, ...]

    @property
    def number(self) -> str:
        return self.stem[:2]


def find_notebooks(numbers: str | None = None, folder: Path = NOTEBOOKS) -> list[Path]:
    """Find the notebooks of the course with these numbers.

    Args:
        numbers: for example "03,04"; None for all.
        folder: holds the notebooks.

    Raises:
        TinytrackError: if there are no notebooks, which is so in an installed package, or none of such a number.
    """
    paths = {path.stem[:2]: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not paths:
        raise TinytrackError(f"there are no notebooks in '{folder}': expected a clone of the project, installed with 'pip install -e .'")
    wanted = list(paths) if numbers is None else [re.sub(r"^(\d)$", r"0\1", text.strip()) for text in numbers.split(",")]
    for number in wanted:
        if number not in paths:
            raise TinytrackError(f"there is no notebook '{number}': expected numbers such as 03,04, from {min(paths)} to {max(paths)}")
    return [paths[number] for number in sorted(set(wanted))]


def read_lessons(numbers: str | None = None) -> list[Lesson]:
    """Read the lessons with these numbers; see :func:`find_notebooks`."""
    return [read_lesson(path) for path in find_notebooks(numbers)]


def read_lesson(path: Path) -> Lesson:
    """Read one lesson from its notebook.

    Raises:
        AttributeError: if an exercise of the section has no solution in ``solutions``.
    """
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    title = re.search(r"^# (.+)$", "\n".join(text for kind, text in cells if kind == "markdown"), re.MULTILINE)
    install, setup = [text for kind, text in cells if kind == "code"][:2]
    tasks = tuple(_tasks(exercise_cells(cells), path.stem))
    return Lesson(path.stem, title[1], install, _imports(setup, tasks), tasks)


def exercise_cells(cells: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the cells (kind, source) between the heading "Exercises" and the next heading; [] if there is no such heading."""
    found = []
    for kind, text in cells:
        if not found:
            start = HEADING.search(text) if kind == "markdown" else None
            if not start:
                continue
            text = text[start.end() :]
        end = NEXT_HEADING.search(text) if kind == "markdown" else None
        found.append((kind, text[: end.start()] if end else text))
        if end:
            break
    return found


def _imports(setup: str, tasks: tuple[Task, ...]) -> str:
    """Keep the imports of the setup cell that an exercise mentions, without the library's own solutions."""
    mentioned = ALWAYS | {name for task in tasks for name in _mentioned(task)} - {task.name for task in tasks}
    kept = []
    for node in ast.parse(setup).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name).partition(".")[0] in mentioned]
            kept += [ast.unparse(node)] if node.names else []
    return "\n".join(kept)


def _mentioned(task: Task) -> Iterator[str]:
    """Yield the names in the code of an exercise, and in the code that its statement quotes."""
    for text in (task.stub, f"if True:\n{task.solution}", *task.given):
        yield from (node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))
    for found in CODE.findall(task.statement):
        yield from re.findall(r"[A-Za-z_]\w*", "".join(found))


def _tasks(cells: list[tuple[str, str]], stem: str) -> Iterator[Task]:
    """Split the cells of the section into exercises. A statement goes up to the next one, so hints may come before or after the stub."""
    texts, given, stub = [], [], ""  # of the exercise that is being read
    for kind, text in [*cells, ("markdown", "**★**")]:  # a last statement ends the last exercise
        if kind == "code":
            stub, given = (text, given) if CHECK.search(text) else (stub, [*given, text])
            continue
        before, *after = STATEMENT.split(text, maxsplit=1)
        if not stub:  # a statement of several cells, or the introduction of the section
            texts += after if after and not texts else [text] * bool(texts)
            continue
        texts.append(before)
        if not after:
            continue
        name = CHECK.search(stub)[1]
        statement = "\n\n".join(part.strip() for part in texts if part.strip())
        yield Task(name, statement, tuple(given), CHECK.sub("", stub).strip(), _solution(stem, name))
        texts, given, stub = after, [], ""


def _solution(stem: str, name: str) -> str:
    """Return the body of a solution's source."""
    module = importlib.import_module(f".solutions.{stem[3:]}", __package__)
    return inspect.getsource(getattr(module, f"my_{name}")).split(":\n", maxsplit=1)[1].rstrip()
