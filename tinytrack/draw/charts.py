"""Charts of numbers: curves, losses, scores."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .style import MARKERS, OTHERS, STYLES, chart, color, label, listed, plain_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def line_chart(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x_label: str,
    y_label: str,
    heading: str = "",
    log_x: bool = False,
    levels: Mapping[str, float] | None = None,
    top: float | None = None,
    points: Collection[str] = (),
    spans: Mapping[str, tuple[float, float]] | None = None,
    x_ticks: Mapping[float, str] | None = None,
) -> "Figure":
    """Draw curves in one chart; names in :data:`STYLES` have their own colour and label.

    Args:
        curves: name -> (x, y). Every point is marked if a curve has few of them.
        log_x: use a logarithmic x axis that also has room for 0, left of 1.
        levels: name -> a height, drawn as a dashed horizontal line.
        top: the upper end of the y axis, which starts at 0; by default it fits the curves.
        points: names of curves that are drawn as points without a line, because nothing is known in between.
        spans: name -> (from, to) on the x axis, drawn as a gray band.
        x_ticks: x -> its text, the only ticks of the x axis; by default they are numbers at round places.
    """
    levels, spans = levels or {}, spans or {}
    # the alt text
    described = [f"{label(n)} from {_short(y[0])} at {x[0]:g} to {_short(y[-1])} at {x[-1]:g}" for n, (x, y) in curves.items()]
    described += [f"{label(n)} at {_short(y)}" for n, y in levels.items()]
    described += [f"{n} from {start:g} to {end:g}" for n, (start, end) in spans.items()]
    figure = chart(8, 4, f"{heading or y_label}. {y_label} against {x_label}: {'; '.join(described)}")
    axis = figure.subplots()
    plain_axes(axis)
    # choose colours: a method has its own, other names get those that no method in the chart has
    names = [*curves, *levels]
    taken = {color(name) for name in names if name in STYLES}
    spare = itertools.cycle([hue for hue in OTHERS if hue not in taken] or OTHERS)
    hues = {name: color(name) if name in STYLES else next(spare) for name in names}
    # draw curves and levels
    for (name, (x, y)), marker in zip(curves.items(), MARKERS * 2, strict=False):
        look = {"linestyle": "", "markersize": 7} if name in points else {"linewidth": 2, "markersize": 5}
        axis.plot(x, y, marker=marker if len(x) <= 40 or name in points else "", color=hues[name], label=label(name), **look)
    for name, y in levels.items():
        axis.axhline(y, linestyle="--", linewidth=1.4, color=hues[name], label=label(name))
    for name, (start, end) in spans.items():
        axis.axvspan(start, end, color="#E4E4E4", linewidth=0, zorder=0, label=name)
    # scales, labels, legend
    if log_x:
        last = max(max(x) for x, _ in curves.values())
        axis.set_xscale("symlog", linthresh=1, linscale=0.5)
        ticks = [0] + [10**n for n in range(12) if 10**n <= last]
        axis.set_xticks(ticks, [f"{t:,}" for t in ticks])
        axis.minorticks_off()
        axis.set_xlim(-0.2, last * 1.3)
    if x_ticks:
        axis.set_xticks(list(x_ticks), list(x_ticks.values()))
    axis.set_ylim(0, top)
    axis.set_xlabel(x_label)
    axis.set_ylabel(y_label)
    if len(hues) + len(spans) > 1:
        axis.legend(frameon=False, fontsize=9.5)
    if heading:
        axis.set_title(heading, fontsize=12)
    return figure


def _short(value: float) -> str:
    """Write a number for an alt text: three digits, or all digits of the whole part of a large one."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def loss_curve(losses: Mapping[str, Sequence[float]], heading: str = "", levels: Mapping[str, float] | None = None) -> "Figure":
    """Draw the loss of Eq. 3 in nats against the training step, averaged over each fiftieth of the run because single steps are noisy.

    Args:
        losses: name -> (S,), one per step.
        levels: name -> a loss that needs no training, drawn as a horizontal line.
    """
    curves = {}
    for name, values in losses.items():
        parts = np.array_split(np.asarray(values, dtype=np.float64), min(50, len(values)))
        ends = np.cumsum([len(part) for part in parts])
        curves[name] = (ends - np.array([len(part) for part in parts]) / 2, np.array([part.mean() for part in parts]))
    return line_chart(curves, "training step", "colour loss (nats per pixel)", heading, levels=levels)


def j_against_frame(curves: Mapping[str, Mapping[int, float]], heading: str = "", metric: str = "J") -> "Figure":
    """Draw a score in percent against the frame number: name -> {frame: score in [0, 1]}."""
    in_percent = {name: (list(scores), [100 * score for score in scores.values()]) for name, scores in curves.items()}
    return line_chart(in_percent, "frame number (frame 0 is given)", f"{metric} (%)", heading, top=103)


def score_bars(
    scores: Mapping[str, Mapping[str, float]], heading: str = "", level: float | None = None, marked: Collection[str] = (), digits: int = 0
) -> "Figure":
    """Draw scores as bars with numbers, one row per method and one panel per metric: method -> {metric: score in [0, 1]}.

    Args:
        level: a score in [0, 1], drawn as a dashed line in every panel. No number lies on it.
        marked: the methods whose bars are orange.
        digits: decimals of the numbers.
    """
    metrics = list(next(iter(scores.values())))
    described = [f"{label(m)} {listed([f'{k} {100 * v:.{digits}f}' for k, v in values.items()])}" for m, values in scores.items()]
    figure = chart(9, 1.0 + 0.36 * len(scores), f"{heading or 'Scores'}, in percent: {'; '.join(described)}")
    axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    place = np.arange(len(scores))
    for axis, metric in zip(axes, metrics, strict=True):
        heights = [100 * values[metric] for values in scores.values()]
        axis.barh(place, heights, 0.7, color=["#E69F00" if m in marked else color(m) for m in scores], edgecolor="#555555", linewidth=0.5)
        for y, value in zip(place, heights, strict=True):
            x = value + 1.5
            if level is not None and value <= 100 * level < x + 12:  # the dashed line would cross the number
                x = 100 * level + 2
            axis.text(x, y, f"{value:.{digits}f}", va="center", fontsize=9.5)
        if level is not None:
            axis.axvline(100 * level, linestyle="--", linewidth=1.2, color="black")
        axis.set_xlim(0, 108 if digits == 0 else 118)
        axis.set_xticks(range(0, 101, 20 if len(metrics) < 3 else 50))
        axis.set_xlabel(f"{metric} (%)")
        plain_axes(axis, "x")
    axes[0].set_yticks(place, [label(m) for m in scores])
    axes[0].invert_yaxis()
    if heading:
        figure.suptitle(heading, fontsize=12)
    return figure
