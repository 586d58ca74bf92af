"""Charts of a report as SVG text, told apart by lightness, hatches and marks, so that black and white will do.

What is filled has a dark outline, and its hatch is dark: pale colours stand out from the paper, on screen and in grey.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FuncFormatter, MaxNLocator

from carbon.pages.svg import GREY, INK, PAPER, drawn
from carbon.report.cells import clean, percent, round_numbers
from carbon.report.layout import crop
from carbon.report.waterfall import signed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WIDTH = 7.4
NAME_CELLS = 30
POINTS = 200
_ROW, _FRAME = 0.27, 0.75
_BLUE, _ORANGE, _GREEN, _PALE = "#0b4f8a", "#f2b45c", "#bfdcc5", "#e8e8e8"
SCOPES = {1: (PAPER, "..."), 2: (_BLUE, ""), 3: (_ORANGE, "///")}
_LINES = (("-", "o"), ("--", "s"), ("-.", "^"), (":", "D"))
_LINE_COLOURS = (_BLUE, "#a8470b", "#3d7a4f", "#5b3a86")
_TIER_LOOKS = ((_BLUE, ""), (_ORANGE, "///"), ("#cfe3f3", "..."), (_PALE, "xx"), (PAPER, "++"))
_EDGE: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.7}
_HEAT = LinearSegmentedColormap.from_list("heat", ["#f3f1e7", "#e9b872", "#b3562f", "#3b1226"])


class Words(NamedTuple):
    """What a chart is named, what it says in words, and its unit."""

    name: str
    title: str
    told: str
    unit: str = ""


def stacked(months: Sequence[str], scopes: Mapping[int, Sequence[float]], words: Words) -> str:
    """Months as columns, stacked by scope; a month whose values are missing is a gap that says so."""

    def plot(figure: Figure) -> None:
        axes = _axes(figure)
        place = np.arange(len(months))
        up, down = np.zeros(len(months)), np.zeros(len(months))
        for scope, values in scopes.items():
            parts = np.nan_to_num(np.array(values, float))
            colour, hatch = SCOPES.get(scope, (_GREEN, "xx"))
            base = np.where(parts < 0, down, up)
            axes.bar(place, parts, 0.72, base, color=colour, hatch=hatch, **_EDGE, label=f"Scope {scope}")
            up, down = up + np.maximum(parts, 0), down + np.minimum(parts, 0)
        missing = [at for at in range(len(months)) if all(math.isnan(values[at]) for values in scopes.values())]
        for at in missing:
            axes.text(at, 0.02, "no data", rotation=90, ha="center", va="bottom", color=GREY, transform=_columns(axes))
        axes.set_xticks(place, [month[2:] if len(months) > 6 else month for month in months])
        axes.set_xlim(-0.6, len(months) - 0.4)
        _values(axes, "y", words.unit)
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.14), ncols=3)

    return drawn(words.name, words.title, words.told, (WIDTH, 3.1), plot)


def bars(names: Sequence[str], values: Sequence[float], looks: Sequence[tuple[str, str]], words: Words) -> str:
    """Named bars from the top down, each with its colour and hatch and its figure at its end."""

    def plot(figure: Figure) -> None:
        axes = _axes(figure)
        place = np.arange(len(names))
        for at, value, (colour, hatch) in zip(place, values, looks, strict=True):
            axes.barh(at, 0 if math.isnan(value) else value, 0.7, color=colour, hatch=hatch, **_EDGE)
        texts = [text or "not covered" for text in round_numbers(values)]
        _ends(axes, place, np.nan_to_num(np.array(values, float)), texts)
        _names(axes, names)
        _values(axes, "x", words.unit)

    return drawn(words.name, words.title, words.told, (WIDTH, _FRAME + _ROW * len(names)), plot)


def plain_bars(names: Sequence[str], values: Sequence[float], rest: bool, words: Words) -> str:
    """Ranked bars of one colour; the last one, where it gathers the rest, is hatched."""
    looks = [(_BLUE, "")] * len(names)
    if rest:
        looks[-1] = ("#cfe3f3", "///")
    return bars(names, values, looks, words)


def waterfall(names: Sequence[str], values: Sequence[float], words: Words) -> str:
    """From the first value by floating steps to the last, which is their sum; `names` has one more, that of the sum.

    Where the steps are small beside what they begin with, the axis does not begin at 0 (see `is_cut`).
    """

    def plot(figure: Figure) -> None:
        axes, reached = _axes(figure), np.cumsum(values)
        place, last = np.arange(len(names)), float(reached[-1])
        axes.barh(place[[0, -1]], [values[0], last], 0.7, color=_BLUE, **_EDGE)
        for at, (start, step) in enumerate(zip(reached[:-1].tolist(), values[1:], strict=True), 1):
            colour, hatch = (_ORANGE, "///") if step > 0 else (_GREEN, "\\\\\\")
            axes.barh(at, step, 0.7, start, color=colour, hatch=hatch, **_EDGE)
        for at, edge in enumerate(reached.tolist()):
            axes.plot([edge, edge], [at - 0.35, at + 1.35], color=GREY, linewidth=0.7)
        tops = np.maximum(reached, np.append(reached[0], reached[:-1]))
        _ends(axes, place, np.append(tops, last), signed([*values, last]))
        _names(axes, names)
        if is_cut(values):
            axes.set_xlim(left=_cut(values))
        _values(axes, "x", words.unit)

    return drawn(words.name, words.title, words.told, (WIDTH, _FRAME + _ROW * len(names)), plot)


def is_cut(values: Sequence[float]) -> bool:
    """Whether the axis of a waterfall begins above 0, as its steps would not be seen else."""
    reached = np.cumsum(values)
    lowest, spread = float(reached.min()), float(np.ptp(reached))
    return 0 < spread < lowest / 3


def _cut(values: Sequence[float]) -> float:
    reached = np.cumsum(values)
    return max(float(reached.min() - 0.6 * np.ptp(reached)), 0.0)


def heat(
    grids: Sequence[tuple[str, Floats]],
    rows: tuple[str, Sequence[str]],
    columns: tuple[str, Sequence[str]],
    words: Words,
) -> str:
    """Grids of one shape below each other, each with its own scale; a cell without a figure is hatched."""

    def plot(figure: Figure) -> None:
        parts = figure.subplots(len(grids), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, grid) in zip(parts, grids, strict=True):
            axes.patch.set(facecolor=PAPER, hatch="////", edgecolor="#b0b0b0")
            mesh = axes.pcolormesh(
                np.ma.masked_invalid(grid), cmap=_HEAT, edgecolors="face", linewidth=0.4, rasterized=False
            )
            bar = figure.colorbar(mesh, ax=axes, pad=0.015, fraction=0.05, aspect=14)
            if bar.solids is not None:  # the library would make it a bitmap
                bar.solids.set(rasterized=False, edgecolor="face", linewidth=0.4)
            bar.ax.yaxis.set_major_formatter(FuncFormatter(_tick))
            bar.outline.set_visible(False)
            axes.set_title(name, loc="left", fontsize=9)
            _sparse(axes, "y", rows[1])
            axes.set_ylabel(rows[0])
            axes.invert_yaxis()
        _sparse(parts[-1], "x", columns[1])
        parts[-1].set_xlabel(columns[0])

    height = 0.5 + len(grids) * (0.55 + 0.075 * max(len(rows[1]), 14))
    return drawn(words.name, words.title, words.told, (WIDTH, height), plot)


def lives(names: Sequence[str], base: Sequence[float], planned: Sequence[float], words: Words) -> str:
    """For each name two bars: the life assumed, and below it the one planned by demand, each with its figure [year]."""

    def plot(figure: Figure) -> None:
        axes, place = _axes(figure), np.arange(len(names))
        texts, count = round_numbers([*base, *planned]), len(names)
        for at, years, (colour, hatch), label, some in (
            (place - 0.2, base, (_PALE, "///"), "assumed life", texts[:count]),
            (place + 0.2, planned, (_BLUE, ""), "planned life", texts[count:]),
        ):
            lengths = np.nan_to_num(np.array(years, float))
            axes.barh(at, lengths, 0.36, color=colour, hatch=hatch, **_EDGE, label=label)
            _ends(axes, at, lengths, some)
        _names(axes, names)
        _values(axes, "x", words.unit)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)

    return drawn(words.name, words.title, words.told, (WIDTH, 1.0 + 1.6 * _ROW * len(names)), plot)


def curves(lines: Mapping[str, pd.DataFrame], words: Words) -> str:
    """Share of emissions that the largest units have, against their share of all units; beside it where all are equal."""

    def plot(figure: Figure) -> None:
        axes = _axes(figure)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (1, 2)), label="equal shares")
        for at, (name, frame) in enumerate(lines.items()):
            x, y = (np.append(0.0, thinned(frame[key].to_numpy(float))) for key in ("units_share", "cumulative_share"))
            (style, mark), colour = _LINES[at], _LINE_COLOURS[at]
            every = max(len(x) // 12, 1)
            axes.plot(x, y, linestyle=style, marker=mark, markevery=every, color=colour, markersize=4.5, label=name)
        axes.axhline(0.8, color=GREY, linewidth=0.6)
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0, 1.03)
        share = FuncFormatter(lambda value, _: f"{100 * value:.0f} %")
        axes.xaxis.set_major_formatter(share)
        axes.yaxis.set_major_formatter(share)
        axes.set_xlabel("cumulative share of units, largest first")
        axes.set_ylabel("cumulative share of emissions")
        axes.grid(visible=True)
        axes.legend(loc="lower right")

    return drawn(words.name, words.title, words.told, (WIDTH, 3.6), plot)


def thinned(values: Floats, most: int = POINTS) -> Floats:
    """At most so many of some values, evenly spaced, the first and the last among them."""
    if len(values) <= most:
        return values
    return values[np.unique(np.linspace(0, len(values) - 1, most).round().astype(int))]


def shares(names: Sequence[str], parts: Sequence[float], words: Words) -> str:
    """One bar of parts of a whole [1]."""

    def plot(figure: Figure) -> None:
        axes, start = _axes(figure), 0.0
        for at, (name, part) in enumerate(zip(names, parts, strict=True)):
            colour, hatch = _TIER_LOOKS[min(at, len(_TIER_LOOKS) - 1)]
            axes.barh(0, part, 0.6, start, color=colour, hatch=hatch, **_EDGE, label=f"{clean(name)} {percent(part)}")
            start += part
        axes.set_xlim(0, 1)
        axes.set_yticks([])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)

    return drawn(words.name, words.title, words.told, (WIDTH, 1.35), plot)


def _axes(figure: Figure) -> Axes:
    axes: Axes = figure.subplots()
    return axes


def _names(axes: Axes, names: Sequence[str]) -> None:
    """Names from the top down at the left, long ones cut: the table has them whole."""
    axes.set_yticks(np.arange(len(names)), [crop(clean(name), NAME_CELLS) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _ends(axes: Axes, place: NDArray[Any], ends: Floats, texts: Sequence[str]) -> None:
    """A text at the right end of each bar, with room for it."""
    for at, end, text in zip(place, ends.tolist(), texts, strict=True):
        axes.annotate(text, (max(end, 0.0), at), (4, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.margins(x=0.16)


def _values(axes: Axes, way: str, unit: str) -> None:
    axis = axes.xaxis if way == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(_tick))
    axis.set_major_locator(MaxNLocator(6))
    axis.set_label_text(unit)
    axes.grid(visible=True, axis="x" if way == "x" else "y")


def _tick(value: float, _: object = None) -> str:
    return f"{value:,.10g}" if abs(value) < 1e12 else f"{value:.3g}"


def _sparse(axes: Axes, way: str, names: Sequence[str]) -> None:
    """Names of rows or columns at the middle of their cells, as many as there is room for."""
    step = max(math.ceil(len(names) / 16), 1) if way == "x" else max(math.ceil(len(names) / 8), 1)
    places = list(range(0, len(names), step))
    put: Callable[..., object] = axes.set_xticks if way == "x" else axes.set_yticks
    put([at + 0.5 for at in places], [names[at] for at in places])


def _columns(axes: Axes) -> object:
    """Places by data along x and by the height of the chart along y."""
    return axes.get_xaxis_transform()
