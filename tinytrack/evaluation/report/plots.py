"""Draw the charts of the report: numbers in, matplotlib figures out."""

from collections.abc import Mapping, Sequence

import numpy as np

from ...draw.style import DPI, chart, color, label, plain_axes


def protocol_bars(
    methods: Sequence[str], scores: Mapping[str, np.ndarray], spread: Mapping[str, np.ndarray], title: str, metrics: Sequence[str]
):
    """Draw figure 1: bars of J and F, one row per method, one bar per protocol.

    Args:
        methods: M names, from top to bottom.
        scores: protocol -> (M, len(metrics)) in percent, NaN where there is no score; the key "" is for methods without a pointer.
        spread: the same keys -> (M, len(metrics)) half the length of a whisker, NaN for none; protocols may be missing.
        metrics: such as "J" and "F"; one panel each.
    """
    figure = chart(11, 1.6 + 0.52 * len(methods), title)
    axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    shades = {"": (1.0, "", "no pointer"), "modern": (1.0, "", "modern protocol"), "paper": (0.4, "///", "paper's protocol")}
    place = np.arange(len(methods), dtype=float)
    both = len([p for p in scores if p]) > 1
    for c, (axis, metric) in enumerate(zip(axes, metrics, strict=True)):
        for protocol, values in scores.items():
            # the bars of one protocol
            alpha, hatch, _ = shades[protocol]
            shift = {"modern": -0.2, "paper": 0.2}.get(protocol, 0.0) if both else 0.0
            scored = ~np.isnan(values[:, c])
            whisker = spread.get(protocol, np.full_like(values, np.nan))[:, c]
            bars = axis.barh(
                place[scored] + shift,
                values[scored, c],
                0.38,
                color=[color(m) for m, t in zip(methods, scored, strict=True) if t],
                alpha=alpha,
                hatch=hatch,
                edgecolor="white",
                linewidth=0,
            )
            # their whiskers and numbers
            for bar, value, half in zip(bars, values[scored, c], whisker[scored], strict=True):
                y = bar.get_y() + bar.get_height() / 2
                if np.isfinite(half):
                    axis.errorbar(value, y, xerr=half, color="#333333", capsize=2, linewidth=1)
                right = value + (half if np.isfinite(half) else 0)
                axis.text(right + 1, y, f"{value:.1f}", va="center", fontsize=8.5)
        axis.set_xlim(0, 100)
        axis.set_xlabel(f"mean {metric} (%)")
        plain_axes(axis, "x")
    # names and legend
    axes[0].set_yticks(place, [label(m) for m in methods])
    axes[0].invert_yaxis()
    if both:
        from matplotlib.patches import Patch

        handles = [Patch(facecolor="#666666", alpha=shades[p][0], hatch=shades[p][1], edgecolor="white") for p in ("modern", "paper")]
        names = [shades[p][2] for p in ("modern", "paper")]
        figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    figure.get_layout_engine().set(wspace=0.05)  # otherwise the 100 of one panel runs into the 0 of the next
    figure.suptitle(title, fontsize=12)
    return figure


def over_time(curves: Mapping[str, Mapping[str, np.ndarray]], thin: Sequence[str], title: str, level: float):
    """Draw figure 2: mean J against the frame number, and below it the number of videos that are still running.

    Args:
        curves: method -> arrays (T,) "frame", "mean", "low", "high" (in percent) and "videos"; drawn where at least 3 videos are
            running (or all of them, if there are fewer).
        thin: methods drawn as thin lines without their interval.
        level: coverage of the interval, for the legend.
    """
    figure = chart(8.5, 5.4, title)
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
    # one curve per method
    for method, curve in curves.items():
        enough = curve["videos"] >= min(3, curve["videos"].max())
        x = curve["frame"][enough]
        light = method in thin
        top.plot(x, curve["mean"][enough], color=color(method), linewidth=1 if light else 2.2, label=label(method))
        if not light:
            top.fill_between(x, curve["low"][enough], curve["high"][enough], color=color(method), alpha=0.15, linewidth=0)
        below.step(x, curve["videos"][enough], where="mid", color="#555555", linewidth=1.2)
    # scales, labels, legend
    top.set_ylim(0, 100)
    top.set_ylabel("mean J over videos (%)")
    top.set_title(title, fontsize=12)
    top.legend(frameon=False, title=f"band: {100 * level:.0f} % bootstrap interval over videos", title_fontsize=8.5, fontsize=9.5)
    below.set_ylim(bottom=0)
    below.set_ylabel("videos")
    below.set_xlabel("frame number (frame 0 is given)")
    for axis in (top, below):
        plain_axes(axis)
    return figure


def pck_curves(panels: Mapping[str, Mapping[str, Sequence[float]]], thresholds: Sequence[float], title: str):
    """Draw figure 3: PCK against the threshold, one panel per data set.

    Args:
        panels: panel title -> method -> (K,) in percent.
        thresholds: (K,).
    """
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = chart(4.6 * columns + 0.6, 3.6 * rows + 1.1, title)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    # one curve per method
    handles = {}
    for axis, (name, curves) in zip(axes.flat, panels.items(), strict=False):
        for method, values in curves.items():
            wide = 2.4 if method.startswith("tiny") else 1.4
            dash = "--" if method == "identity" else "-"
            handles[method] = axis.plot(thresholds, values, dash, marker="o", markersize=4, color=color(method), linewidth=wide)[0]
        axis.set_title(name, fontsize=10.5)
        axis.set_ylim(0, 102)
        axis.set_xticks(thresholds)
        plain_axes(axis)
    # labels at the left and the bottom only; hide panels that are left over
    for axis in axes[:, 0]:
        axis.set_ylabel("PCK: joints found (%)")
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for c in range(columns):
        axes[(len(panels) - 1 - c) // columns, c].set_xlabel("threshold (share of 0.6 x diagonal of the joints' box)")
        axes[(len(panels) - 1 - c) // columns, c].tick_params(labelbottom=True)
    figure.legend(handles.values(), [label(m) for m in handles], loc="outside lower center", ncols=min(4, len(handles)), frameon=False)
    figure.suptitle(title, fontsize=12)
    return figure


def emergence(
    steps: Sequence[int],
    scores: Mapping[str, Sequence[float]],
    levels: Mapping[str, float],
    errors: Mapping[str, Sequence[float]],
    loss: tuple[Sequence[float], Sequence[float]] | None,
    title: str,
):
    """Draw figure 4: tracking scores on held-out video against the training step, from step 0 on, next to the colour error and the loss.

    Args:
        steps: (S,) of the checkpoints.
        scores: name -> (S,) in percent.
        levels: method -> a score in percent that needs no training, drawn as a horizontal line.
        errors: name -> (S,) colour error in Lab units on the held-out video.
        loss: training steps and loss in nats, or None.
    """
    figure = chart(11, 5, title)
    grid = figure.add_gridspec(2, 2, width_ratios=[1.45, 1])
    left = figure.add_subplot(grid[:, 0])
    right = figure.add_subplot(grid[0, 1] if loss else grid[:, 1], sharex=left)
    panels = [left, right]
    # left: scores
    for (name, values), hue in zip(scores.items(), ("#D55E00", "#555555"), strict=False):
        left.plot(steps, values, "o-", color=hue, linewidth=2.2, markersize=5, label=name)
    for method, value in levels.items():
        left.axhline(value, color=color(method), linestyle="--", linewidth=1.3, label=f"J of {label(method)}")
    left.set_ylim(0, 100)
    left.set_ylabel("score on held-out video (%)")
    left.legend(frameon=False, loc="lower right", fontsize=9.5)
    # right: colour error, and the loss below it
    for (name, values), style in zip(errors.items(), ("o-", "s--"), strict=False):
        right.plot(steps, values, style, color="#0072B2", linewidth=1.6, markersize=4, label=name)
    right.set_ylim(bottom=0)
    right.set_ylabel("colour error,\nheld-out (Lab units)")
    right.legend(frameon=False, fontsize=9)
    if loss:
        lower = figure.add_subplot(grid[1, 1], sharex=left)
        lower.plot(*loss, color="#009E73", linewidth=1.3)
        lower.set_ylim(bottom=0)
        lower.set_ylabel("colour loss,\ntraining (nats)")
        panels.append(lower)
    # one x axis for all: logarithmic, with room for step 0
    for axis in panels:
        plain_axes(axis)
        axis.set_xscale("symlog", linthresh=1, linscale=0.5)
        axis.set_xlim(-0.2, max(steps) * 1.3)
        ticks = [0] + [10**n for n in range(12) if 10**n <= max(steps)]
        axis.set_xticks(ticks, [f"{t:,}" for t in ticks])
        axis.minorticks_off()
    for axis in (left, panels[-1]):
        axis.set_xlabel("training step (log scale)")
    if loss:
        right.tick_params(labelbottom=False)
    figure.suptitle(title, fontsize=12)
    return figure


def failures(
    names: Sequence[str],
    video: tuple[Sequence[float], Sequence[float]],
    frame: tuple[Sequence[float], Sequence[float]],
    captions: tuple[str, str],
    title: str,
):
    """Draw figure 5: colour error against J, one dot per video on the left, one dot per frame on the right.

    Args:
        names: V videos.
        video: their mean colour errors (V,) in Lab units and mean J (V,) in percent.
        frame: likewise (N,), of all scored frames.
        captions: one text above each panel, with the correlations.
    """
    figure = chart(11, 5.4, title)
    left, right = figure.subplots(1, 2, sharey=True)
    left.scatter(*video, s=34, color="#D55E00")
    right.scatter(*frame, s=9, color="#D55E00", alpha=0.35, linewidths=0)
    for axis, values, caption in ((left, video, captions[0]), (right, frame, captions[1])):
        axis.set_title(caption, fontsize=9.5)
        low, high = np.nanmin(values[0]), np.nanmax(values[0])
        room = 0.15 * (high - low) + 0.1
        axis.set_xlim(low - room, high + room)
        axis.set_ylim(-2, 102)
        axis.set_xlabel("colour error on the object (ab distance, Lab units)")
        plain_axes(axis)
    left.set_ylabel("J (%)")
    right.tick_params(labelleft=True)
    figure.suptitle(title, fontsize=12)
    figure.draw_without_rendering()  # lays out the axes: placing the names needs positions in pixels
    _name_dots(left, names, *video)
    return figure


def _name_dots(axis, names: Sequence[str], x: Sequence[float], y: Sequence[float]) -> None:
    """Write names beside dots, each where it covers the fewest dots and names; a thin line connects a name farther away with its dot."""
    # everything in pixels: the dots are taken, and names may go left or right of a dot, in steps of a line up or down
    dots = axis.transData.transform(np.column_stack([x, y]))
    edge = axis.get_window_extent()
    high = 8 * DPI / 72
    taken = [(px - 6, py - 6, px + 6, py + 6) for px, py in dots]
    shifts = [(9 + 8 * abs(k), k * high) for k in (0, 1, -1, 2, -2, 3, -3, 4, -4)]
    for name, (px, py) in zip(names, dots, strict=True):
        # the cheapest place; leaving the panel costs as much as nine overlaps
        wide = 0.62 * high * len(name)
        places = [(x, py + dy) for dx, dy in shifts for x in (px + dx, px - dx - wide)]
        boxes = [(left, middle - high / 2, left + wide, middle + high / 2) for left, middle in places]
        cost = [_overlaps(b, taken) + 9 * (b[0] < edge.x0 or b[2] > edge.x1 or b[1] < edge.y0 or b[3] > edge.y1) for b in boxes]
        best = int(np.argmin(cost))
        taken.append(boxes[best])
        # the name, with a line if it is not next to its dot
        left, middle = places[best]
        if abs(middle - py) > high / 2:
            end = left - 2 if left > px else left + wide + 2
            axis.plot(*axis.transData.inverted().transform([(px, py), (end, middle)]).T, color="#999999", linewidth=0.6, zorder=1)
        where = axis.transData.inverted().transform((left if left > px else left + wide, middle))
        axis.text(*where, name, fontsize=8, va="center_baseline", ha="left" if left > px else "right")


def _overlaps(box: tuple, others: Sequence[tuple]) -> int:
    """Count the boxes (left, low, right, high) that a box overlaps."""
    return sum(box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in others)
