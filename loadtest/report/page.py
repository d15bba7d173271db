"""A run as one page of HTML that needs nothing else: verdict, promises, charts, counts; no script, no address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from loadtest.report.charts import distribution_chart, timeline_chart
from loadtest.report.words import HELD, ended, figure, found, needed
from loadtest.results import Result, Run

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d0d7de; --good: #116329; --bad: #a40e26; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --line: #30363d; --good: #56d364; --bad: #ff7b72; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.held { color: var(--good); } .broken { color: var(--bad); font-weight: 700; }
h2 { margin: 2.2rem 0 .2rem; border-top: 1px solid var(--line); padding-top: 1rem; }
pre { overflow-x: auto; font: 12.5px/1.4 ui-monospace, monospace; }
figure { margin: 1rem 0; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; }
.grid { stroke: var(--line); stroke-width: 1; } .mark { stroke: currentColor; stroke-dasharray: 4 3; }
.key span { margin-right: 1.2rem; white-space: nowrap; }
.key i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
"""


def to_html(run: Run) -> str:
    """
    Return the whole page.
    """
    title = f"Load test: {run.verdict}"
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{STYLE}</style></head><body>",
            f"<h1>Load test: {_word(held=run.verdict == 'held', text=run.verdict)}</h1>",
            *(f"<p>{escape(why)}</p>" for why in run.why),
            _table(("on what", ""), ((escape(name), escape(value)) for name, value in run.setting.items())),
            *_promises(run),
            *(part for result in run.results for part in _result(result)),
            "</body></html>",
            "",
        ]
    )


def _promises(run: Run) -> Iterator[str]:
    if not run.promises:
        return
    yield "<h2>Promises</h2>"
    yield _table(
        ("promise", "found", "needed", ""),
        (
            (escape(kept.says), _number(found(kept)), _number(needed(kept)), _word(held=kept.held, text=ended(kept)))
            for kept in run.promises
        ),
    )


def _result(result: Result) -> Iterator[str]:
    yield f'<h2 id="{escape(result.scenario)}">{escape(result.scenario)}</h2>'
    yield f"<p>{escape(result.question)} <small>({escape(result.state)}, {result.seconds:.0f} s)</small></p>"
    if result.why:
        yield f'<p class="broken">{escape(result.why)}</p>'
    if result.lines:
        yield f"<pre>{escape(chr(10).join(result.lines))}</pre>"
    yield distribution_chart(result.distributions)
    if result.timeline is not None:
        yield timeline_chart(result.timeline)
    if result.figures:
        yield _table(("figure", ""), ((escape(name), _number(figure(told))) for name, told in result.figures.items()))
    if result.checks:
        yield _table(
            ("counted", "found", ""),
            ((escape(check.says), escape(check.found), _word(held=check.held)) for check in result.checks),
        )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    lines = "".join(
        f"<tr>{''.join(cell if _is_cell(cell) else f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"


def _is_cell(text: str) -> bool:
    return text.startswith("<td")


def _number(text: str) -> str:
    return f'<td class="number">{escape(text)}</td>'


def _word(*, held: bool | None, text: str = "") -> str:
    return f'<span class="{HELD[held]}">{escape(text or HELD[held])}</span>'
