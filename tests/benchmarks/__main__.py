"""python -m tests.benchmarks [--only A,B] [--rounds N] [--json FILE]: everything measured, in one table."""

import argparse
import importlib
import os

MODULES = ("propagate", "video", "long", "training", "throughput", "start", "widgets")


def measure_all(modules: list[str], rounds: int | None = None) -> tuple[dict, dict]:
    """Measure: {key: value}, and what is said about the keys, {key: (goal, what it is)}."""
    values, about = {}, {}
    for name in modules:
        module = importlib.import_module(f".{name}", __package__)
        values |= module.measure(rounds) if rounds else module.measure()
        about |= module.ABOUT
    return values, about


def table(values: dict, about: dict) -> str:
    """One row a key: value, goal, what it is."""
    lines = ["| what | value | goal | |", "| --- | --- | --- | --- |"]
    for key, value in values.items():
        goal, text = about.get(key, ("", ""))
        lines.append(f"| {key} | {f'{value:.3g}' if isinstance(value, float) else value} | {goal} | {text} |")
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="How fast is it? Takes some minutes on two idle cores.")
    parser.add_argument("--only", default=",".join(MODULES), metavar="A,B", help=f"of {', '.join(MODULES)} (default: all)")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each measurement (default: each has its own)")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there, too")
    args = parser.parse_args(argv)
    modules = args.only.split(",")
    unknown = sorted(set(modules) - set(MODULES))
    if unknown:
        parser.error(f"there is no benchmark '{unknown[0]}': expected some of {', '.join(MODULES)}")
    if args.rounds is not None and args.rounds < 1:
        parser.error("at least one round")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, before torch is loaded
    values, about = measure_all(modules, args.rounds)
    print(table(values, about), end="")
    if args.json:
        from tinytrack.io.atomic import write_json

        write_json(args.json, values)


if __name__ == "__main__":
    main()
