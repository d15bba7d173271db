"""What a query in PromQL asks for: the metrics that it names, and the labels by which it chooses and groups."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.tidy.source import ROOT

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_CHOOSES = re.compile(r"\{([^}]*)\}")
_LABEL = re.compile(r"([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)")
_GROUPS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]")
_NAME = re.compile(r"(?<![\w:.])[A-Za-z_:][\w:]*(?!\s*\()(?![\w:])")
_WORDS = frozenset({"and", "or", "unless", "offset", "bool", "by", "without", "on", "ignoring"})
_DURATION = re.compile(r"\b\d+(?:ms|[smhdwy])\b")

# What Prometheus itself adds, and what only a histogram's buckets have.
ADDED = frozenset({"job", "instance", "le", "alertname", "alertstate"})
OWN = frozenset({"up", "ALERTS"})

_ROW = re.compile(r"^\| `(breakwater_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What one query names.
    """

    metrics: frozenset[str]
    labels: frozenset[str]


def asked(query: str) -> Asked:
    """
    Read a query; Grafana's variables stand for values.
    """
    bare = _STRING.sub('""', query)
    labels = {label for chosen in _CHOOSES.findall(bare) for label in _LABEL.findall(chosen)}
    labels |= {label.strip() for group in _GROUPS.findall(bare) for label in group.split(",") if label.strip()}
    for cut in (_CHOOSES, _GROUPS, _RANGE, _DURATION):
        bare = cut.sub(" ", bare)
    return Asked(frozenset(_NAME.findall(bare)) - _WORDS, frozenset(labels))


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """
    Return every metric of docs/METRICS.md with its kind and its labels.
    """
    page = (ROOT / "docs" / "METRICS.md").read_text("utf-8")
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in _ROW.findall(page)}


def family(metric: str) -> str:
    """
    Return the metric to which a series belongs: of a histogram it is one of three.
    """
    known = documented()
    bare = re.sub(r"_(?:bucket|count|sum)$", "", metric)
    return bare if known.get(bare, ("", None))[0] == "histogram" else metric


def filled(query: str, window: str = "1m") -> str:
    """
    Return a dashboard's query as Grafana sends it.
    """
    return query.replace("$job", "breakwater").replace("$instance", ".*").replace("$__rate_interval", window)
