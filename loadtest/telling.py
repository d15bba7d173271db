"""A run as it is told in a terminal: what each scenario found, the promises, the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.report.words import figure, found, needed
from loadtest.results import Result, Run, State


def told(run: Run) -> Iterator[str]:
    """
    Yield the lines.
    """
    for result in run.results:
        yield from _result(result)
    if run.promises:
        yield ""
        yield f"{'promise':24}{'found':>14}   needed"
    for kept in run.promises:
        marks = ("BROKEN" if kept.held is False else "", kept.why)
        yield "   ".join((f"{kept.name:24}{found(kept):>14}", needed(kept), *filter(None, marks)))
    yield ""
    yield from (f"{run.verdict}: {why}" for why in run.why)
    if not run.why:
        checks = sum(len(result.checks) for result in run.results)
        unasked = sum(kept.held is None for kept in run.promises)
        more = f"; {unasked} promises were not asked" if unasked else ""
        yield f"{run.verdict}: {len(run.promises) - unasked} promises, {checks} counts{more}"


def _result(result: Result) -> Iterator[str]:
    yield ""
    yield f"{result.scenario} · {result.question}"
    if result.state is not State.RAN:
        yield f"  {result.state}: {result.why}"
    # Where there is a table, it has the figures.
    for line in result.lines or [f"{name:24}{figure(told):>16}" for name, told in result.figures.items()]:
        yield f"  {line}"
    for check in result.checks:
        yield f"  {'ok' if check.held else 'WRONG':6}{check.says}: {check.found}"
