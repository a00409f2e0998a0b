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
{problems}
{tables}
{printed}
</html>
"""


def write_marks(marks: list[Marks], lessons: list[Lesson], path: Path) -> None:
    """Write one row per student: points, 1 or 0 for each exercise (empty if its notebook was not handed in), and remarks."""
    names = [task.name for lesson in lessons for task in lesson.tasks if any(task.name in one.right for one in marks)]
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["student", "points", *names, "remarks"])
        for one in marks:
            points = [int(one.right[name]) if name in one.right else "" for name in names]
            table.writerow([_text(one.student), sum(one.right.values()), *points, _text("; ".join(one.problems))])


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
        points=sum(one.right.values()),
        most=len(one.right),
        problems=_list(one.problems),
        tables="\n".join(tables),
        printed=f"<h2>The end of what your notebook printed</h2>\n<pre>{escape(one.printed)}</pre>" if one.printed.strip() else "",
    )
    path.write_text(page, encoding="utf-8")


def _row(one: Marks, name: str) -> str:
    text = one.texts.get(name, "not reached").removeprefix(f"{name}: ")
    return f"<tr><td>{escape(name)}<td>{int(one.right[name])}<td><pre>{escape(text)}</pre>"


def _list(problems: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(text)}" for text in problems)
    return f"<ul>{items}</ul>" if items else ""
