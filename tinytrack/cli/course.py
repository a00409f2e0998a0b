"""The commands for teachers: hand out the exercises of the notebooks, and mark what comes back."""

from argparse import Namespace
from pathlib import Path

from ..io.paths import user_path
from ..io.results import check_results, result_file, results_folder

NEXT = {
    "plain": "hand out {out}/student; mark what comes back with 'python -m tinytrack mark SUBMISSIONS'",
    "nbgrader": "in {out}, run 'nbgrader generate_assignment {stem}', and hand out what appears in release/{stem}",
    "otter": "run 'otter assign {out}/master/{stem}_exercises.ipynb {out}/{stem}', and hand out what appears in {out}/{stem}/student",
}


def exercises(args: Namespace) -> None:
    from ..course import nbgrader, otter, plain
    from ..course.cells import write_notebook
    from ..course.lesson import read_lessons

    lessons, write = read_lessons(args.notebooks), {"plain": plain, "nbgrader": nbgrader, "otter": otter}[args.format].write
    notebooks = {name: cells for lesson in lessons for name, cells in write(lesson).items()}
    texts = {"nbgrader_config.py": nbgrader.CONFIG} if args.format == "nbgrader" else {}
    command = f"exercises --format {args.format}"
    check_results(args.out, command, [*notebooks, *texts])
    for name, cells in notebooks.items():
        with result_file(args.out, command, name) as scratch:
            write_notebook(cells, scratch)
    for name, text in texts.items():
        with result_file(args.out, command, name) as scratch:
            scratch.write_text(text, encoding="utf-8")
    count = sum(len(lesson.tasks) for lesson in lessons)
    print(f"{count} exercises of {len(lessons)} notebooks: {args.out}")
    print(f"next: {NEXT[args.format].format(out=args.out, stem=lessons[0].stem)}")


def mark(args: Namespace) -> None:
    from ..course.feedback import write_feedback, write_marks
    from ..course.lesson import read_lessons
    from ..course.limited_process import Limits
    from ..course.marking import find_submissions
    from ..course.marking import mark as mark_all

    lessons, folder = read_lessons(args.notebooks), user_path(args.folder)
    students = find_submissions(folder)
    with results_folder(
        args.out, "mark", ["marks.csv", "feedback"], [folder, *(path for paths in students.values() for path in paths)]
    ) as scratch:
        pages = scratch / "feedback"
        pages.mkdir()
        marks = mark_all(lessons, students, Limits(args.seconds, args.gigabytes), print, all_due=args.notebooks is not None)
        for one in marks:
            write_feedback(one, lessons, pages / f"{one.student}.html")
        write_marks(marks, lessons, scratch / "marks.csv")
    print(f"{len(marks)} students: {Path(args.out) / 'marks.csv'}, and a page for each in {Path(args.out) / 'feedback'}")
