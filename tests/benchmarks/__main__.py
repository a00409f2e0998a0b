"""Run the benchmarks and print one table: python -m tests.benchmarks [--long] [--only A,B] [--rounds N] [--json FILE]."""

import argparse
import importlib
import os

DEFAULT = ("propagate", "video", "training", "throughput", "start", "widgets", "page")
OPT_IN = ("long",)  # takes longer than all others together; it runs with --long, or if --only names it
MODULES = (*DEFAULT, *OPT_IN)


def measure_all(modules: list[str], rounds: int | None = None) -> tuple[dict, dict]:
    """Run benchmarks.

    Args:
        modules: names of :data:`MODULES`.
        rounds: number of rounds per measurement; None uses each benchmark's default.

    Returns:
        {key: value} with the keys of all benchmarks, where None marks those that did not run, and {key: (goal, explanation)}.
    """
    values, about = {}, {}
    for name in MODULES:
        module = importlib.import_module(f".{name}", __package__)
        about |= module.ABOUT
        if name not in modules:
            values |= dict.fromkeys(module.ABOUT)
        else:
            values |= module.measure(rounds) if rounds else module.measure()
    return values, about


def table(values: dict, about: dict) -> str:
    """A Markdown table with one row per measured key: value, goal, explanation."""
    lines = ["| what | value | goal | |", "| --- | --- | --- | --- |"]
    for key, value in values.items():
        if value is not None:
            goal, text = about.get(key, ("", ""))
            lines.append(f"| {key} | {f'{value:.3g}' if isinstance(value, float) else value} | {goal} | {text} |")
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="How fast is it? Seven minutes on two idle cores.")
    parser.add_argument("--only", metavar="A,B", help=f"of {', '.join(MODULES)} (default: all but {', '.join(OPT_IN)})")
    parser.add_argument("--long", action="store_true", help="also measure long videos with many objects, which takes ten minutes more")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each measurement (default: few; more are steadier)")
    parser.add_argument("--json", metavar="FILE", help="also write the numbers there; null stands for a benchmark that did not run")
    args = parser.parse_args(argv)
    modules = args.only.split(",") if args.only else list(DEFAULT)
    modules += [name for name in OPT_IN if args.long and name not in modules]
    unknown = sorted(set(modules) - set(MODULES))
    if unknown:
        parser.error(f"there is no benchmark '{unknown[0]}': expected some of {', '.join(MODULES)}")
    if args.rounds is not None and args.rounds < 1:
        parser.error("at least one round")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does; it must be set before torch is imported
    values, about = measure_all(modules, args.rounds)
    print(table(values, about), end="")
    if args.json:
        from tinytrack.io.atomic import write_json

        write_json(args.json, values)


if __name__ == "__main__":
    main()
