"""Write the marks of a class as a table, and one page of feedback for each student."""

import csv
from collections.abc import Iterable
from html import escape
from pathlib import Path

from .lesson import Lesson
from .marking import Marks

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{student}: {points} of {most}</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
  table {{ border-collapse: collapse; width: 100%; }}
  th, td {{ text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #8886; }}
  pre {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font: .9rem/1.4 ui-monospace, monospace; }}
</style>
<h1>{student}: {points} of {most}</h1>
{remarks}
{tables}
{printed}
</html>
"""


def write_marks(marks: list[Marks], lessons: list[Lesson], path: Path) -> None:
    """Write one row per student: points, how many there are, 1 or 0 for each exercise (empty: could not be marked), and remarks."""
    names = [task.name for lesson in lessons for task in lesson.tasks if any(task.name in one.right for one in marks)]
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["student", "points", "of", *names, "remarks"])
        for one in marks:
            points = [_points(one, name) for name in names]
            table.writerow([_text(one.student), one.points, len(names), *points, _text("; ".join(one.remarks))])


def _points(one: Marks, name: str) -> int | str:
    return "" if one.right.get(name) is None else int(one.right[name])


def _text(text: str) -> str:
    """Keep a spreadsheet program from taking a text for a formula."""
    return "'" + text if text[:1] in tuple("=+-@\t\r") else text


def write_feedback(one: Marks, lessons: list[Lesson], path: Path) -> None:
    """Write a student's page: each exercise with its mark and what the check says."""
    tables = []
    for lesson in lessons:
        rows = [_row(one, task.name) for task in lesson.tasks if task.name in one.right]
        if rows:
            head = "<tr><th>exercise<th>points<th>what the check says"
            tables.append(f"<h2>{escape(lesson.title)}</h2>\n<table>\n{head}\n" + "\n".join(rows) + "\n</table>")
    page = PAGE.format(
        student=escape(one.student),
        points=one.points,
        most=len(one.right),
        remarks=_list(one.remarks),
        tables="\n".join(tables),
        printed=f"<h2>The end of what your notebook printed</h2>\n<pre>{escape(one.printed)}</pre>" if one.printed.strip() else "",
    )
    path.write_text(page, encoding="utf-8")


def _row(one: Marks, name: str) -> str:
    text = one.texts[name].removeprefix(f"{name}: ")
    code = f"<details><summary>your code</summary><pre>{escape(one.code[name])}</pre></details>" if name in one.code else ""
    return f"<tr><td>{escape(name)}<td>{_points(one, name)}<td><pre>{escape(text)}</pre>{code}"


def _list(remarks: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(text)}" for text in remarks)
    return f"<ul>{items}</ul>" if items else ""
