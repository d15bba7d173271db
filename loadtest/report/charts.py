"""
Charts as SVG, without a script: latency by percentile, and what callers were told second by second. Pure.

Percentiles are drawn against one over the part that was slower, so that each step to the right is ten times as rare;
that is where proxies differ. Colours are Okabe and Ito's eight, which people of any sight can tell apart, and a legend
names every one: nothing is said by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from loadtest.report.words import number
from loadtest.results import Distribution, Timeline

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999933", "#888888")
WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 34

PERCENTILES = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999)
"""Where the axis is labelled."""

Axis = Callable[[float], float]


def distribution_chart(distributions: Sequence[Distribution]) -> str:
    """
    Return the latencies of some subjects, by percentile; nothing where nobody was timed.
    """
    curves = [(told.subject, points) for told in distributions if (points := list(_points(told)))]
    if not curves:
        return ""
    slowest = max(ms for _, points in curves for _, ms in points)
    fastest = min(ms for _, points in curves for _, ms in points)
    rarest = max(_rarity(part) for _, points in curves for part, _ in points)
    x = _scale(0.0, max(1.0, rarest), LEFT, WIDTH - RIGHT)
    y = _scale(math.log10(fastest) - 0.05, math.log10(slowest) + 0.05, HEIGHT - BOTTOM, TOP)
    parts = [*_percentile_axis(x, rarest), *_latency_axis(y, fastest, slowest)]
    for (_, points), colour in zip(curves, _cycle(len(curves)), strict=True):
        line = " ".join(f"{x(_rarity(part)):.1f},{y(math.log10(ms)):.1f}" for part, ms in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return _figure(parts, [name for name, _ in curves], "Latency by percentile, in ms")


def timeline_chart(timeline: Timeline) -> str:
    """
    Return what callers were told in each second, stacked, with what happened meanwhile; nothing where nobody called.
    """
    series = [(name, counts) for name, counts in timeline.by_verdict.items() if any(counts)]
    seconds = max((len(counts) for _, counts in series), default=0)
    if not seconds:
        return ""
    totals = [sum(counts[at] for _, counts in series if at < len(counts)) for at in range(seconds)]
    x = _scale(0.0, float(seconds), LEFT, WIDTH - RIGHT)
    y = _scale(0.0, float(max(totals)), HEIGHT - BOTTOM, TOP)
    parts = [*_seconds_axis(x, seconds), *_count_axis(y, max(totals))]
    below = [0] * seconds
    for (_, counts), colour in zip(series, _cycle(len(series)), strict=True):
        for at, count in enumerate(counts):
            if count:
                top, height = y(below[at] + count), y(below[at]) - y(below[at] + count)
                width = max(1.0, x(at + 1) - x(at) - 0.5)
                parts.append(
                    f'<rect x="{x(at):.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
                )
                below[at] += count
    for moment, what in timeline.marks:
        parts.append(
            f'<line class="mark" x1="{x(moment):.1f}" x2="{x(moment):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        )
        parts.append(f'<text x="{x(moment) + 3:.1f}" y="{TOP + 10}">{escape(what)}</text>')
    return _figure(parts, [name for name, _ in series], "What callers were told, calls in each second")


def _points(told: Distribution) -> Iterator[tuple[float, float]]:
    """
    Yield, for every bucket in which calls ended, the part of all calls up to it and the latency at its bound.
    """
    total, below = sum(told.counts), 0
    for bound, count in zip(told.bounds_ms, told.counts, strict=True):
        if count and 0 < bound < math.inf:
            below += count
            yield min(below / total, 1 - 1 / (2 * total)), bound


def _rarity(part: float) -> float:
    return -math.log10(1.0 - part)


def _scale(low: float, high: float, first: float, last: float) -> Axis:
    span = (high - low) or 1.0
    return lambda value: first + (value - low) / span * (last - first)


def _percentile_axis(x: Axis, rarest: float) -> Iterator[str]:
    for part in PERCENTILES:
        if (at := _rarity(part)) <= max(1.0, rarest):
            yield from _tick_x(x(at), f"{100 * part:g} %")


def _latency_axis(y: Axis, fastest: float, slowest: float) -> Iterator[str]:
    for power in range(math.floor(math.log10(fastest)), math.ceil(math.log10(slowest)) + 1):
        for step in (1, 2, 5):
            if fastest * 0.9 <= (ms := step * 10.0**power) <= slowest * 1.1:
                yield from _tick_y(y(math.log10(ms)), f"{ms:g}")


def _seconds_axis(x: Axis, seconds: int) -> Iterator[str]:
    step = max(1, math.ceil(seconds / 12))
    for at in range(0, seconds + 1, step):
        yield from _tick_x(x(at), f"{at} s")


def _count_axis(y: Axis, most: int) -> Iterator[str]:
    for quarter in range(5):
        yield from _tick_y(y(most * quarter / 4), number(most * quarter / 4))


def _tick_x(at: float, label: str) -> Iterator[str]:
    yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
    yield f'<text text-anchor="middle" x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}">{escape(label)}</text>'


def _tick_y(at: float, label: str) -> Iterator[str]:
    yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
    yield f'<text text-anchor="end" x="{LEFT - 6}" y="{at + 4:.1f}">{escape(label)}</text>'


def _cycle(count: int) -> list[str]:
    return [COLOURS[at % len(COLOURS)] for at in range(count)]


def _figure(parts: Sequence[str], names: Sequence[str], title: str) -> str:
    keys = "".join(
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for name, colour in zip(names, _cycle(len(names)), strict=True)
    )
    drawing = "".join(parts)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}: {escape(", ".join(names))}">{drawing}</svg>'
        f'<div class="key">{keys}</div></figure>'
    )
