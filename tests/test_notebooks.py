"""Check the committed notebooks without starting a kernel: they were run from top to bottom, are small and have no dead links.

Each rule is a function that takes a notebook and yields the problems it finds. Further tests apply the rules to notebooks that break
them.

``pytest --nbval-lax notebooks`` runs the notebooks, and ``python -m tests.tools.record`` writes them.
"""

import ast
import copy
import json
import pkgutil
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.tools.record import CHECK, INSTALL, INSTALL_SOURCE, clean
from tinytrack.lessons.check import EXERCISES
from tinytrack.lessons.show_source import show

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
NAMES = [
    "00_tour", "01_color_quantization", "02_embedding_net", "03_pointer_copy", "04_training", "05_track_masks", "06_track_pose",
    "07_when_it_breaks", "08_what_came_next", "09_your_video",
]  # fmt: skip
PATHS = sorted(FOLDER.glob("[!.]*.ipynb"))
COMPARED = "nbval-check-output"  # tag of the cells whose output nbval compares
# The pattern is assembled from parts, so that searching the whole repository for such paths does not find this file.
MACHINE = re.compile("|".join(["/" + "home/", "/" + "root/", "/" + "work/", "/" + "tmp/", "/" + "Users/"]))
IMAGES = "image/"


def text(source) -> str:
    """The text of a source or an output, which is one string or a list of lines."""
    return source if isinstance(source, str) else "".join(source)


def cells(notebook: dict, kind: str) -> list[tuple[int, str, dict]]:
    """Return (index, source, cell) of the "code" or "markdown" cells."""
    return [(n, text(cell["source"]), cell) for n, cell in enumerate(notebook["cells"]) if cell["cell_type"] == kind]


def images(cell: dict) -> list[tuple[str, dict]]:
    """Return (kind, output) for each image that a code cell shows."""
    return [(kind, output) for output in cell["outputs"] for kind in output.get("data", {}) if kind.startswith(IMAGES)]


def has_text(cell: dict) -> bool:
    """Whether a code cell prints or returns text. The text that replaces an image does not count."""
    for output in cell["outputs"]:
        data = output.get("data", {})
        if text(output.get("text", "")).strip() or ("text/plain" in data and not any(kind.startswith(IMAGES) for kind in data)):
            return True
    return False


def trees(notebook: dict) -> list[tuple[int, ast.Module]]:
    """Parse the code cells as Python. Cells that cannot be parsed are reported by ``follows_python``."""
    found = []
    for n, source, _ in cells(notebook, "code"):
        try:
            found.append((n, ast.parse(source)))
        except SyntaxError:
            continue
    return found


def headings(notebook: dict) -> list[str]:
    """Headings such as "## 2. Point: Eq. 2", except those in fenced code."""
    lines = "\n".join(re.sub(r"```.*?```", "", source, flags=re.S) for _, source, _ in cells(notebook, "markdown")).splitlines()
    return [line.strip() for line in lines if re.match(r"#+ ", line)]


def checks(notebook: dict) -> list[tuple[int, str, set[str]]]:
    """Return (cell, name of the exercise, names passed as arguments) for each ``check.name(...)``."""
    found = []
    for n, tree in trees(notebook):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if isinstance(node.func.value, ast.Name) and node.func.value.id == "check":
                    found.append((n, node.func.attr, {arg.id for arg in node.args if isinstance(arg, ast.Name)}))
    return found


def compared(notebook: dict) -> list[int]:
    """Indices of the cells whose output nbval compares."""
    return [n for n, _, cell in cells(notebook, "code") if COMPARED in tags(cell)]


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


# ---- results of a run


def runs_from_top_to_bottom(notebook):
    for expected, (n, _, cell) in enumerate(cells(notebook, "code"), start=1):
        if cell["execution_count"] != expected:
            yield f"cell {n}: execution count {cell['execution_count']}, expected {expected}"


def runs_without_complaint(notebook):
    for n, _, cell in cells(notebook, "code"):
        if any(output["output_type"] == "error" for output in cell["outputs"]):
            yield f"cell {n}: an error is its output"
        if any(output.get("name") == "stderr" for output in cell["outputs"]):
            yield f"cell {n}: writes to stderr"


def names_no_machine(notebook):
    for n, cell in enumerate(notebook["cells"]):
        kept = copy.deepcopy(cell)
        for output in kept.get("outputs", []):
            output["data"] = {kind: data for kind, data in output.get("data", {}).items() if not kind.startswith(IMAGES)}
        found = MACHINE.search(json.dumps(kept, ensure_ascii=False))
        if found:
            yield f"cell {n}: a path of one machine, {found[0]}"


def has_plain_metadata(notebook):
    if "widgets" in notebook["metadata"]:
        yield "metadata: the state of widgets"
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        yield "metadata: the kernel should be python3"


def is_small(notebook):
    size = len(json.dumps(notebook, indent=1, ensure_ascii=False).encode())
    if size > 750_000:
        yield f"{size / 1000:.1f} KB, at most 750"


# ---- code


def follows_python(notebook):
    for n, source, _ in cells(notebook, "code"):
        for line in source.splitlines():
            if line.lstrip().startswith(("%", "!")):
                yield f"cell {n}: a magic or a shell command, which fails in silence: {line.strip()}"
        if re.search(r"\binput\(", source):
            yield f"cell {n}: input( waits for ever where nobody answers"
        if re.search(r"\bimport\s+\*", source):
            yield f"cell {n}: import *"
        try:
            ast.parse(source)
        except SyntaxError as error:
            yield f"cell {n}: not Python, {error.msg}"


def installs_where_missing(notebook):
    """The first code cell installs tinytrack on hosts that do not have it; it is the same everywhere, and ``record`` puts it there."""
    n, source, cell = cells(notebook, "code")[0]
    if source != INSTALL_SOURCE or tags(cell) != [INSTALL]:
        yield f"cell {n}: not the cell that installs tinytrack where it is missing; record the notebook"


def compares_output(notebook):
    for n, source, cell in cells(notebook, "code"):
        if "nbval" in source.lower():
            yield f"cell {n}: a marker of nbval in the code, where readers see it; use the tag {COMPARED}"
        for tag in tags(cell):
            if tag not in (COMPARED, CHECK, INSTALL):
                yield f"cell {n}: the tag {tag}; known are {COMPARED}, {CHECK} and {INSTALL}"
        if COMPARED in tags(cell) and not has_text(cell):
            yield f"cell {n}: compared, but prints no text: an image is never compared"
    if len(compared(notebook)) < 3:
        yield f"{len(compared(notebook))} compared cells, at least 3"


def folds_its_asserts(notebook):
    """Cells that assert what the text claims have the tag ``check``: they are folded, and do nothing else that a reader would miss."""
    hidden = {n for n, _, cell in cells(notebook, "code") if CHECK in tags(cell)}
    for n, tree in trees(notebook):
        asserts = [node for node in tree.body if isinstance(node, ast.Assert)]
        if asserts and n not in hidden:
            yield f"cell {n}: asserts where readers see them; move them to a cell with the tag {CHECK}"
        if n in hidden and not asserts:
            yield f"cell {n}: has the tag {CHECK} and asserts nothing"


def bodies(tree: ast.AST) -> dict[str, str]:
    """Map the body of each function, without its docstring, to the function's name. Stubs are skipped."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body and not raises_not_implemented(body[0]):
                found["\n".join(ast.dump(line) for line in body)] = node.name
    return found


def raises_not_implemented(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Raise) and "NotImplementedError" in ast.dump(part) for part in ast.walk(node))


LIBRARY = {
    body: f"{path.stem}.{name}"
    for path in sorted((ROOT / "tinytrack").glob("*.py"))
    for body, name in bodies(ast.parse(path.read_text(encoding="utf-8"))).items()
}


def repeats_nothing_of_the_library(notebook):
    for n, tree in trees(notebook):
        for body, name in bodies(tree).items():
            if body in LIBRARY:
                yield f"cell {n}: {name} has the body of {LIBRARY[body]}: import it"


def definitions(node: ast.AST) -> list[ast.AST]:
    """Functions and classes that a cell defines at the top level or under an ``if``, but not inside other definitions."""
    found = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(child)
        else:
            found += definitions(child)
    return found


def defines_only_naive_and_my(notebook):
    handed = {name for _, _, names in checks(notebook) for name in names}
    for n, tree in trees(notebook):
        for node in definitions(tree):
            if not node.name.startswith(("naive_", "my_")):
                yield f"cell {n}: defines {node.name}; only naive_... and my_... are defined here, the rest is the library's"
            if node.name.startswith("my_") and not raises_not_implemented(node):
                yield f"cell {n}: the exercise {node.name} is solved: it should raise NotImplementedError"
            if node.name.startswith("my_") and node.name not in handed:
                yield f"cell {n}: nothing checks {node.name}"


def has_exercises(notebook):
    for n, name, _ in checks(notebook):
        if name not in EXERCISES:
            yield f"cell {n}: there is no check.{name}"
    if len({name for _, name, _ in checks(notebook)}) < 2:
        yield "fewer than 2 exercises"


def can_be_imported(name: str) -> bool:
    """Whether a name such as "tinytrack.pointer.affinity" exists."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        return False
    return True


def shows_what_there_is(notebook):
    """Names imported from the library, and names passed to ``show``, must exist, and the code that ``show`` showed must be today's."""
    names = {}
    for n, tree in trees(notebook):
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tinytrack":
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                    if alias.name != "*" and not can_be_imported(f"{node.module}.{alias.name}"):
                        yield f"cell {n}: {node.module} has no {alias.name}"
    for n, tree in trees(notebook):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "show" and node.args:
                first, *rest = ast.unparse(node.args[0]).split(".")
                full = ".".join([names.get(first, first), *rest])
                if first not in names or not full.replace(".", "").isidentifier():
                    continue
                if not can_be_imported(full):
                    yield f"cell {n}: there is no {full.removeprefix('tinytrack.')} to show"
                elif any(repr(show(pkgutil.resolve_name(full))) not in code for code in shown(notebook["cells"][n])):
                    yield f"cell {n}: {full.removeprefix('tinytrack.')} has changed since it was recorded"


def shown(cell: dict) -> list[str]:
    """The code blocks that a cell with ``show`` displays."""
    return [text(output["data"]["text/markdown"]) for output in cell["outputs"] if "text/markdown" in output.get("data", {})]


# ---- text and figures


def has_a_good_length(notebook):
    count = sum(INSTALL not in tags(cell) for cell in notebook["cells"])
    if not 25 <= count <= 48:
        yield f"{count} cells, 25 to 48"
    # folded parts (answers and hints) don't count
    shown = [re.sub(r"<details>.*?</details>", "", source, flags=re.S) for _, source, _ in cells(notebook, "markdown")]
    words = sum(bool(re.search(r"\w", word)) for source in shown for word in source.split())
    if not 850 <= words <= 2050:
        yield f"{words} words, 850 to 2050"
    imports = {n: sum(lines_of_import(node) for node in tree.body) for n, tree in trees(notebook)}
    for n, source, _ in cells(notebook, "code"):
        lines = len(source.splitlines()) - imports.get(n, 0)
        if lines > 25:
            yield f"cell {n}: {lines} lines of code besides imports, at most 25"


def lines_of_import(node: ast.stmt) -> int:
    return node.end_lineno - node.lineno + 1 if isinstance(node, ast.Import | ast.ImportFrom) else 0


def has_its_parts(notebook):
    first = notebook["cells"][0]
    if first["cell_type"] != "markdown" or not text(first["source"]).startswith("# "):
        yield "the first cell is no title"
    for part in ("Differences from the paper", "Exercises", "Takeaways"):
        if not any(part in heading for heading in headings(notebook) if heading.startswith("## ")):
            yield f"no heading ## {part}"
    if not any(re.search(r"^> ", source, flags=re.M) for _, source, _ in cells(notebook, "markdown")):
        yield "no paper box (> ...)"


DEMOS = ("emergence(", "palette_explorer(", "player(", "pointer_explorer(", "studio(")


def shows_a_demo(tree: ast.Module) -> bool:
    """Whether a cell ends with a call of one of the demos, such as ``player(...)``."""
    return bool(tree.body) and isinstance(tree.body[-1], ast.Expr) and ast.unparse(tree.body[-1]).startswith(DEMOS)


def explains_its_figures(notebook):
    figures = [(n, kind, output) for n, _, cell in cells(notebook, "code") for kind, output in images(cell)]
    demos = {n for n, tree in trees(notebook) if shows_a_demo(tree)}
    if sum(n not in demos for n, _, _ in figures) > 8:
        yield f"{len(figures)} figures, at most 8 (and the stills of demos)"
    for n in demos - {n for n, _, _ in figures}:
        yield f"cell {n}: a demo without a still"
    for n, kind, output in figures:
        if not output.get("metadata", {}).get(kind, {}).get("alt", "").strip():
            yield f"cell {n}: a figure without alt text"
        if n + 1 == len(notebook["cells"]) or notebook["cells"][n + 1]["cell_type"] != "markdown":
            yield f"cell {n}: no sentence after the figure"


def links_to_what_there_is(notebook):
    for n, source, _ in cells(notebook, "markdown"):
        plain = re.sub(r"```.*?```|`[^`\n]*`", "", source, flags=re.S)  # A[i](x) in code is not a link
        links = re.findall(r"\]\(([^)\s]+)[^)]*\)", plain) + re.findall(r"\b(?:src|href)=\"([^\"]+)\"", plain)
        for link in links:
            path = link.split("#")[0]
            if path and not re.match(r"[a-z]+:", path) and not (FOLDER / path).exists():
                yield f"cell {n}: the link {link} leads nowhere"
    for n, cell in enumerate(notebook["cells"]):
        for path in re.findall(r"\btinytrack/\w+\.py\b", text(cell["source"])):
            if not (ROOT / path).exists():
                yield f"cell {n}: there is no {path}"


RULES = (
    runs_from_top_to_bottom,
    runs_without_complaint,
    names_no_machine,
    has_plain_metadata,
    is_small,
    follows_python,
    installs_where_missing,
    compares_output,
    folds_its_asserts,
    repeats_nothing_of_the_library,
    defines_only_naive_and_my,
    has_exercises,
    shows_what_there_is,
    has_a_good_length,
    has_its_parts,
    explains_its_figures,
    links_to_what_there_is,
)


def problems(notebook: dict) -> list[str]:
    """Describe every violation of a rule."""
    return [problem for rule in RULES for problem in rule(notebook)]


# ---- the notebooks


def load(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_folder_contains_the_ten_notebooks():
    assert [path.stem for path in PATHS] == NAMES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_keeps_the_rule(path, rule):
    found = list(rule(load(path)))
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_is_exactly_as_record_writes_it(path):
    """This covers ids, metadata and indentation, so notebooks must not be saved by hand."""
    notebook = load(path)
    assert clean(copy.deepcopy(notebook), path.stem) == notebook
    assert path.read_text(encoding="utf-8") == json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def test_every_exercise_is_in_exactly_one_notebook():
    """Only stubs to be filled in count. The library's own functions may be checked anywhere."""
    stubs = {path: {name for _, name, given in checks(load(path)) if f"my_{name}" in given} for path in PATHS}
    places = Counter(name for names in stubs.values() for name in names)
    assert {name: places[name] for name in EXERCISES if places[name] != 1} == {}


def test_enough_cells_have_their_output_compared():
    assert sum(len(compared(load(path))) for path in PATHS) >= 40


def test_the_quoted_costs_of_the_papers_choices_were_measured():
    """The ends of the notebooks and their README quote costs. Each number must be in a table printed by ``tests/experiments/ablate.py``."""
    tables = [ROOT / "data" / "README.md", *(ROOT / "data" / "report").glob("*.md")]
    printed = "\n".join(line for page in tables for line in page.read_text().splitlines() if line.startswith("|"))
    pages = {path.name: "\n\n".join(source for _, source, _ in cells(load(path), "markdown")) for path in PATHS}
    pages["README.md"] = (FOLDER / "README.md").read_text(encoding="utf-8")
    parts = {name: page.split("## Differences from the paper")[1].split("\n## ")[0] for name, page in pages.items()}
    found = {name: re.findall(r"-\d+\.\d", part) for name, part in parts.items()}
    assert len(found["README.md"]) > 10
    assert sum(map(len, found.values())) > 25
    assert [(name, n) for name, numbers in found.items() for n in numbers if n not in printed] == []


# ---- the index in the README of the notebooks


SECTION = "## Where the paper is"


def index_rows(readme: str) -> list[list[str]]:
    """The rows of the table under the heading, split into cells, without the header and the line below it."""
    if f"\n{SECTION}\n" not in readme:
        return []
    section = readme.split(f"\n{SECTION}\n")[1].split("\n## ")[0]
    rows = [line.strip().strip("|") for line in section.splitlines() if line.strip().startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in rows[2:]]


def index_problems(readme: str, root: Path = ROOT) -> list[str]:
    """Describe all broken rows of the table "paper | notebook → section | library"."""
    rows = index_rows(readme)
    if not rows:
        return [f"the README has no section '{SECTION}' with a table: paper | notebook, section | library"]
    return [problem for row in rows for problem in row_problems(row, root)]


def row_problems(row: list[str], root: Path):
    if len(row) != 3:
        yield f"{row[0]}: {len(row)} columns, expected 3"
        return
    paper, places, library = row
    for place in re.split(r"<br ?/?>", places):
        found = re.fullmatch(r"\[[^]]+\]\((\w+)\.ipynb\) → (.+)", place.strip())
        path = root / "notebooks" / f"{found[1]}.ipynb" if found else None
        if path is None:
            yield f"{paper}: '{place.strip()}' is not [text](NN_name.ipynb) → section"
        elif not path.is_file():
            yield f"{paper}: there is no notebook {found[1]}"
        else:
            titles = [heading.lstrip("#").strip() for heading in headings(load(path))]
            if found[2] not in titles + [re.sub(r"^\d+\. ", "", title) for title in titles]:
                yield f"{paper}: {found[1]} has no section '{found[2]}'"
    names = re.findall(r"`([^`]+)`", library)
    if not names:
        yield f"{paper}: no function of the library in `backticks`"
    for name in names:
        if "." not in name or not can_be_imported(f"tinytrack.{name}"):
            yield f"{paper}: tinytrack has no {name}"


def test_the_index_in_the_readme_points_to_existing_notebooks_sections_and_functions():
    found = index_problems((FOLDER / "README.md").read_text(encoding="utf-8"))
    assert not found, "\n".join(["", *found])


# ---- do the rules find anything? These tests change a notebook that keeps all rules in one way at a time.


def markdown(source: str) -> dict:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source: str, *outputs: dict, tags: tuple = ()) -> dict:
    metadata = {"tags": list(tags)} if tags else {}
    return {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": list(outputs), "source": source}


def printed(words: str, name: str = "stdout") -> dict:
    return {"output_type": "stream", "name": name, "text": words}


def picture(alt: str = "A picture.") -> dict:
    data = {"image/png": "iVBORw0KGgo=", "text/plain": alt}
    return {"output_type": "display_data", "data": data, "metadata": {"image/png": {"alt": alt}}}


def numbered(notebook: dict) -> dict:
    for count, (_, _, cell) in enumerate(cells(notebook, "code"), start=1):
        cell["execution_count"] = count
    return notebook


def good() -> dict:
    parts = [
        markdown("# 03 · Eq. 2 points\n\nLibrary: [`pointer.py`](../tinytrack/pointer.py), see tinytrack/loss.py and [us](https://a.b/c)."),
        code(INSTALL_SOURCE, tags=(INSTALL,)),
        code("from tinytrack import pointer\nfrom tinytrack.lessons import check\nfrom tinytrack.lessons.show_source import show"),
        markdown("> **Paper, Eq. 2.** Here `A[j](x)` is no link."),
        code("a_figure()", picture()),
        markdown("Look at the left."),
        *[code(f"print({n})", printed(f"{n}\n"), tags=(COMPARED,)) for n in range(3)],
        code("def naive_copy(A, c):\n    return [sum(a * b for a, b in zip(row, c)) for row in A]"),
        code("show(pointer.affinity)"),
        *[markdown("some words " * 60) for _ in range(12)],
        markdown("## Exercises\n\nReplace the last line."),
        code('def my_affinity(f_j, f_i):\n    """Eq. 2."""\n    raise NotImplementedError\n\n\ncheck.affinity(my_affinity)'),
        code("def my_window(h, w, radius):\n    raise NotImplementedError\n\n\ncheck.window(my_window)"),
        markdown("## Differences from the paper\n\nNone."),
        markdown("## Takeaways and next"),
    ]
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    return numbered({"cells": parts, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def the_cell(notebook: dict, part: str) -> dict:
    return next(cell for cell in notebook["cells"] if part in text(cell["source"]))


def changed(part: str, old: str, new: str):
    """In the first cell that contains ``part``, replace ``old`` with ``new``."""

    def change(notebook):
        cell = the_cell(notebook, part)
        assert old in cell["source"]
        cell["source"] = cell["source"].replace(old, new)

    return change


def appended(*more: dict):
    """Append cells to the notebook."""

    def change(notebook):
        notebook["cells"] += copy.deepcopy(list(more))
        numbered(notebook)

    return change


def given(part: str, *outputs: dict):
    """Replace the outputs of the first cell that contains ``part``."""

    def change(notebook):
        the_cell(notebook, part)["outputs"] = list(outputs)

    return change


def cut(part: str, count: int = 1):
    """Remove the first cells that contain ``part``."""

    def change(notebook):
        for _ in range(count):
            notebook["cells"].remove(the_cell(notebook, part))
        numbered(notebook)

    return change


def lone_figures(count: int):
    """Append figures, each followed by a sentence."""
    return appended(*[cell for _ in range(count) for cell in (code("1", picture()), markdown("Look."))])


REPEATED = 'def naive_again(A, c):\n    """Not copied at all."""\n    return A @ c'
MACHINE_PATH = "/" + "home/me/x.py"

BAD = {
    "count missing": (lambda nb: the_cell(nb, "print(1)").update(execution_count=None), "execution count None, expected 5"),
    "count out of order": (lambda nb: the_cell(nb, "print(1)").update(execution_count=9), "execution count 9"),
    "error": (given("print(1)", {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}), "an error is its output"),
    "stderr": (given("print(1)", printed("1"), printed("careful", "stderr")), "writes to stderr"),
    "path in code": (changed("print(1)", "(1)", f"('{MACHINE_PATH}')"), "a path of one machine"),
    "path in text": (changed("Look", "left", MACHINE_PATH), "a path of one machine"),
    "path printed": (given("print(1)", printed(f"{MACHINE_PATH}\n")), "a path of one machine"),
    "path returned": (
        given("print(1)", {"output_type": "execute_result", "data": {"text/plain": [MACHINE_PATH]}, "metadata": {}}),
        "a path of one machine",
    ),
    "widgets": (lambda nb: nb["metadata"].update(widgets={}), "the state of widgets"),
    "kernel": (lambda nb: nb["metadata"]["kernelspec"].update(name="my-env"), "should be python3"),
    "no kernel": (lambda nb: nb["metadata"].pop("kernelspec"), "should be python3"),
    "large": (given("print(1)", printed("1" * 750_000)), "KB, at most 750"),
    "magic": (appended(code("x = 1\n%matplotlib inline")), "a magic or a shell command"),
    "cell magic": (appended(code("%%time\nx = 1")), "a magic or a shell command"),
    "shell": (appended(code("if True:\n    !ls")), "a magic or a shell command"),
    "input": (appended(code("x = input('?')")), "input( waits"),
    "star": (changed("import pointer", "import pointer", "import *"), "import *"),
    "no Python": (appended(code("x = = 1")), "not Python"),
    "marker": (changed("print(1)", "print(1)", "# NBVAL_CHECK_OUTPUT\nprint(1)"), "a marker of nbval in the code"),
    "marker in small letters": (changed("print(1)", "print(1)", "print(1)  # nbval_skip"), "a marker of nbval in the code"),
    "other install cell": (changed("find_spec", "--quiet", "--upgrade"), "not the cell that installs tinytrack"),
    "other tag": (lambda nb: the_cell(nb, "print(1)")["metadata"].update(tags=["nbval-skip"]), "the tag nbval-skip"),
    "seen assert": (appended(code("assert 1 < 2")), "asserts where readers see them"),
    "check without assert": (appended(code("x = 1", tags=(CHECK,))), "asserts nothing"),
    "compares nothing": (given("print(1)"), "prints no text"),
    "compares an image": (given("print(1)", picture()), "prints no text"),
    "compares little": (lambda nb: the_cell(nb, "print(1)")["metadata"].clear(), "2 compared cells"),
    "one definition": (appended(code(REPEATED)), "naive_again has the body of pointer.copy"),
    "other function": (appended(code("def helper(x):\n    return x + 1")), "defines helper"),
    "other class": (appended(code("class Helper:\n    pass")), "defines Helper"),
    "other function under if": (appended(code("if True:\n    def helper(x):\n        return x + 1")), "defines helper"),
    "solved": (changed("my_affinity", "raise NotImplementedError", "return f_j * f_i"), "my_affinity is solved"),
    "not checked": (changed("my_affinity", "check.affinity(my_affinity)", "check.affinity(max)"), "nothing checks my_affinity"),
    "no such exercise": (changed("my_affinity", "check.affinity", "check.afinity"), "there is no check.afinity"),
    "one exercise": (changed("my_window", "check.window", "check.affinity"), "fewer than 2 exercises"),
    "no such import": (changed("import pointer", "import pointer", "import pointer, points"), "tinytrack has no points"),
    "no such name": (changed("import pointer", "import show", "import show, tell"), "tinytrack.lessons.show_source has no tell"),
    "shows what is not there": (changed("show(", "pointer.affinity", "pointer.afinity"), "there is no pointer.afinity to show"),
    "shows old code": (
        given("show(", {"output_type": "execute_result", "data": {"text/markdown": "# pointer.affinity\ndef affinity(): ..."}}),
        "pointer.affinity has changed since it was recorded",
    ),
    "few cells": (cut("some words", 3), "cells, 25 to 48"),
    "many cells": (appended(*[markdown("More.")] * 24), "cells, 25 to 48"),
    "few words": (cut("some words", 6), "words, 850 to 2050"),
    "many words": (changed("some words", "some words", "some more words than anybody wants to read " * 2), "words, 850 to 2050"),
    "long cell": (appended(code("x = 1\n" * 26)), "26 lines of code besides imports"),
    "no title": (changed("# 03", "# 03", "## 03"), "the first cell is no title"),
    "title is code": (cut("# 03"), "the first cell is no title"),
    "no exercises": (changed("## Exercises", "## Ex", "### Ex"), "no heading ## Exercises"),
    "no differences": (changed("## Diff", "Differences from", "Deviations of"), "no heading ## Differences from the paper"),
    "no takeaways": (changed("## Take", "## Takeaways", "```\n## Takeaways\n```"), "no heading ## Takeaways"),
    "no paper box": (changed("> **", "> ", ""), "no paper box"),
    "many figures": (lone_figures(8), "9 figures, at most 8"),
    "demo without a still": (appended(code("player(frames, tracks)"), markdown("Look.")), "a demo without a still"),
    "no alt text": (given("a_figure", picture() | {"metadata": {}}), "a figure without alt text"),
    "empty alt text": (given("a_figure", picture("")), "a figure without alt text"),
    "nothing after the figure": (appended(code("2", picture())), "no sentence after the figure"),
    "code after the figure": (appended(code("2", picture()), code("3"), markdown("Look.")), "no sentence after the figure"),
    "dead link": (changed("# 03", "../tinytrack/pointer.py", "../tinytrack/pointers.py"), "link ../tinytrack/pointers.py leads nowhere"),
    "dead anchor": (changed("Look", "left", "[left](11_more.ipynb#top)"), "link 11_more.ipynb#top leads nowhere"),
    "dead picture": (changed("Look", "left", '<img src="left.png">'), "link left.png leads nowhere"),
    "dead module": (changed("# 03", "tinytrack/loss.py", "tinytrack/losses.py"), "there is no tinytrack/losses.py"),
    "dead module in code": (appended(code("# see tinytrack/losses.py")), "there is no tinytrack/losses.py"),
}
"""Name of the problem -> a change that creates it, and words of the report."""


def test_a_good_notebook_keeps_all_rules():
    assert problems(good()) == []


@pytest.mark.parametrize("change,words", BAD.values(), ids=BAD)
def test_a_bad_notebook_breaks_its_rule(change, words):
    notebook = good()
    change(notebook)
    assert any(words in problem for problem in problems(notebook)), problems(notebook)


def test_harmless_code_and_links_are_not_reported():
    notebook = good()
    fine = (
        "y = network_input(x)\nz = 7 %3",
        "class naive_Net:\n    def forward(self, x):\n        def inner(y):\n            return y\n        return inner(x)",
        "def my_net(x):\n    x = x + 1\n    raise NotImplementedError('your turn')\n\n\ncheck.affinity(my_net)",
        "show(type(pointer)), show(x.y), show(pointer.affinity).code",
    )
    appended(*[code(source) for source in fine], code("x = 1\nassert x < 2", tags=(CHECK,)))(notebook)
    links = "[top](#top), [mail](mailto:a@b.c), [here](../README.md#results 'title'), `A[0](../x)`"
    changed("Look", "left", links)(notebook)
    assert problems(notebook) == []


def test_every_rule_is_tested():
    broken = set()
    for change, _ in BAD.values():
        notebook = good()
        change(notebook)
        broken |= {rule for rule in RULES if list(rule(notebook))}
    assert broken == set(RULES)


def test_clean_removes_what_differs_between_runs():
    notebook = good()
    notebook["metadata"] = {"widgets": {"state": {}}, "kernelspec": {"name": "my-env"}, "language_info": {"version": "3.11"}}
    notebook["nbformat_minor"] = 4
    view = "application/vnd.jupyter.widget-view+json"
    for cell in notebook["cells"]:
        cell["metadata"] = {"execution": {"iopub.execute_input": "12:00"}, "collapsed": True, "tags": ["keep"]}
    notebook["cells"][5]["outputs"] = [{"output_type": "display_data", "data": {view: {}, "text/plain": "Box()"}, "metadata": {}}]
    notebook["cells"][2]["id"] = notebook["cells"][3]["id"] = "mine"
    notebook["cells"][6]["metadata"] = {"tags": [CHECK], "jupyter": {"outputs_hidden": True}}
    sources = [cell["source"] for cell in notebook["cells"]]
    counts = [cell.get("execution_count") for cell in notebook["cells"]]
    cleaned = clean(notebook, "03_pointer_copy")
    assert [cell["id"] for cell in cleaned["cells"][:5]] == [f"03_pointer_copy-0{n}" if n != 2 else "mine" for n in range(5)]
    assert cleaned["cells"][6]["metadata"] == {"tags": [CHECK], "jupyter": {"source_hidden": True}}
    assert all(cell["metadata"] == {"tags": ["keep"]} for n, cell in enumerate(cleaned["cells"]) if n != 6)
    assert cleaned["cells"][5]["outputs"][0]["data"] == {"text/plain": "Box()"}
    assert cleaned["metadata"] == good()["metadata"]
    assert (cleaned["nbformat"], cleaned["nbformat_minor"]) == (4, 5)
    assert [cell["source"] for cell in cleaned["cells"]] == sources
    assert [cell.get("execution_count") for cell in cleaned["cells"]] == counts
    again = copy.deepcopy(cleaned)
    assert clean(again, "03_pointer_copy") == cleaned


ROW = "| Eq. 2 | [03_pointer_copy](03_pointer_copy.ipynb) → 2. Point: Eq. 2 | `pointer.affinity`, `embed.TinyNet.forward` |"
TABLE = f"""# notebooks

{SECTION}

| paper | notebook, section | library |
|---|---|---|
{ROW}

## Next

| a | b |
|---|---|
| c | d |
"""


@pytest.mark.parametrize(
    "old,new,words",
    [
        ("", "", None),
        ("→ 2. Point: Eq. 2", "→ Point: Eq. 2", None),
        ("Eq. 2 | `", "Eq. 2<br>[3](03_pointer_copy.ipynb) → 03 · Eq. 2 points | `", None),
        (SECTION, "## Elsewhere", "no section '## Where the paper is'"),
        (ROW, "", "no section '## Where the paper is'"),
        ("→ 2. Point", "→ 2. Points", "03_pointer_copy has no section '2. Points: Eq. 2'"),
        ("Eq. 2 | `", "Eq. 2<br>[3](03_pointer_copy.ipynb) → Nowhere | `", "has no section 'Nowhere'"),
        ("copy.ipynb) →", "copied.ipynb) →", "no notebook 03_pointer_copied"),
        (" → ", " ", "is not [text](NN_name.ipynb) → section"),
        ("pointer.affinity", "pointer.afinity", "tinytrack has no pointer.afinity"),
        ("TinyNet.forward", "TinyNet.backwards", "tinytrack has no embed.TinyNet.backwards"),
        ("`pointer.affinity`, `embed.TinyNet.forward`", "pointer.affinity", "no function of the library"),
        ("`pointer.affinity`", "`pointer`", "tinytrack has no pointer"),
        (" | `pointer", " `pointer", "2 columns, expected 3"),
    ],
)
def test_mistakes_in_the_index_are_found(tmp_path, old, new, words):
    notebook = good()
    notebook["cells"].append(markdown("Text.\n\n## 2. Point: Eq. 2"))
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "03_pointer_copy.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    found = index_problems(TABLE.replace(old, new, 1), tmp_path)
    assert found == [] if words is None else any(words in problem for problem in found), found
