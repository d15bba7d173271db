"""
How many look-ups a second one core makes: from a target's bytes to an operation with typed path and query arguments.

`python -m loadtest.lookups` prints one line an API and one for all; exit 1 below the floor of `floors.json`. The
targets are those of every bundled operation, each with a value for every path parameter and for its first two plain
query arguments, so that rare shapes weigh as much as common ones. The clock is the processor's, and of the rounds the
best counts: what else the machine and the process do can only make the figure worse than it is.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from config.catalog import Kind, OperationSpec, Place
from config.routes import Catalog
from config.tables import BUNDLED, compile_catalog, load_catalog
from proxy.canonical.target import parse_target
from proxy.classify import classify, type_arguments

FLOORS = Path(__file__).with_name("floors.json")

# Enough for one to go undisturbed, few enough to end within seconds on a slow machine.
ROUNDS = 7

# What SDKs send for an argument of each type; the others are not part of a plain query.
VALUES = {Kind.STRING: "open", Kind.INTEGER: "25", Kind.BOOLEAN: "true", Kind.NUMBER: "0.5"}
IDS = {Kind.STRING: "pi_3MtwBwLkdIwHu7ix28a3tqPa", Kind.INTEGER: "4711"}

Target = tuple[str, str, bytes]


def targets(catalog: Catalog) -> Iterator[Target]:
    """
    Yield base, method and target of each operation.
    """
    for spec in catalog.operations.values():
        query = [
            f"{name}={VALUES[held.kind]}"
            for (place, name), held in spec.arguments.items()
            if place is Place.QUERY and held.kind in VALUES
        ]
        yield spec.base, spec.method, (filled(spec) + ("?" + "&".join(query[:2]) if query else "")).encode()


def filled(spec: OperationSpec) -> str:
    """
    Return an operation's path with a value in place of each parameter.
    """

    def value(name: re.Match[str]) -> str:
        held = spec.arguments[Place.PATH, name[1]]
        return "src/main" if held.multi_segment else IDS.get(held.kind, "main")

    return re.sub(r"\{([^}]*)\}", value, spec.path)


def rate(catalog: Catalog, asked: list[Target]) -> float:
    """
    Return look-ups a second, each from bytes to typed arguments.
    """
    style = catalog.dialect.style
    began = time.process_time()
    for base, method, raw in asked:
        target = parse_target(raw.decode("latin-1"))
        type_arguments(classify(catalog, base, method, target), target.query, None, style)
    return len(asked) / (time.process_time() - began)


def measure() -> dict[str, int]:
    """
    Return the rate of each API's targets, and of all of them together.
    """
    catalogs = {name: load_catalog(name, Path()) for name in BUNDLED}
    asked = {name: list(targets(catalog)) for name, catalog in catalogs.items()}
    found: dict[str, list[float]] = {name: [] for name in (*BUNDLED, "all")}
    for _ in range(ROUNDS):
        rates = {name: rate(catalog, asked[name]) for name, catalog in catalogs.items()}
        seconds = sum(len(asked[name]) / rates[name] for name in BUNDLED)
        for name, figure in (rates | {"all": sum(map(len, asked.values())) / seconds}).items():
            found[name].append(figure)
    return {name: round(max(figures)) for name, figures in found.items()}


def rate_in_table_of(count: int) -> float:
    """
    Return look-ups a second in a made-up table of this many operations, always for the same number of targets.
    """
    rows = [
        {
            "name": f"op{n}",
            "method": "GET",
            "path": f"/v1/r{n}/{{id}}/part",
            "effect": "read",
            "arguments": {"path": {"id": "string"}},
        }
        for n in range(count)
    ]
    catalog = compile_catalog(json.dumps({"name": "made-up", "operations": rows}).encode(), b"")
    asked = [("api", "GET", f"/v1/r{n % count}/x{n}/part".encode()) for n in range(2_000)]
    return max(rate(catalog, asked) for _ in range(ROUNDS))


def main() -> int:
    """
    Print the figures beside their floors.
    """
    floors = json.loads(FLOORS.read_text(encoding="utf-8"))["lookups_per_second"]
    figures = measure()
    for name, figure in figures.items():
        print(f"{name:8} {figure:>9,} look-ups/s   floor {floors[name]:>9,}")
    return int(any(figures[name] < floors[name] for name in floors))


if __name__ == "__main__":
    sys.exit(main())
