"""Who may import whom, who may know the world outside, and who may build what: the doors between the rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.tidy.source import ROOMS, SHIPPED, TABLE, Source, bindings, dotted, imports, sources, tabled, within

# config <- breakers <- proxy. Nothing imports loadtest or tests but themselves.
_MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "config": frozenset({"config"}),
    "breakers": frozenset({"config", "breakers"}),
    "proxy": frozenset({"config", "breakers", "proxy"}),
    "loadtest": frozenset({"config", "breakers", "proxy", "loadtest"}),
    "tests": frozenset(ROOMS),
}

# The sandbox must not share a mistake with what it judges.
_ISLAND = "loadtest/upstreams/"

# The road's edge: where HTTP is spoken. A path that ends in "/" stands for all below it.
EDGE = (
    "proxy/app.py",
    "proxy/dial.py",
    "proxy/exchange.py",
    "proxy/front.py",
    "proxy/inbound.py",
    "proxy/listener.py",
    "proxy/parent.py",
    "proxy/pool.py",
    "proxy/respond.py",
    "proxy/server.py",
    "proxy/sockets.py",
    "proxy/webhook.py",
    "proxy/cli/",
    "proxy/control/",
)

# Packages that only some files may import, within what is shipped.
_KEPT: Mapping[str, tuple[str, ...]] = {
    "aiohttp": EDGE,
    "redis": ("breakers/store/bounded.py", "breakers/store/connection.py"),
    "hiredis": (),
    "cel": ("config/expressions.py",),
    "prometheus_client": ("proxy/",),
    "cryptography": ("proxy/",),
    "uvloop": ("proxy/",),
    "stripe": (),
    "localstripe": (),
}

# Judgement takes the moment and the facts as arguments; only the fleet's store does I/O.
_IMPURE = ("time", "random", "secrets", "os", "logging", "socket", "ssl", "subprocess", "asyncio.subprocess", "http")
_IMPURE_ALLOWED = ("breakers/store/connection.py", "breakers/store/redis.py", "breakers/store/whereabouts.py")

# Clock and randomness are objects, built once; everything else is handed them.
_WORLD_FILE = "proxy/clock.py"
_WORLD = (
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "os.urandom",
    "uuid.uuid1",
    "uuid.uuid4",
    "secrets",
    "random",
)

# What must not be skipped is a type that only one room can make: its name, the package that it lives in, its maker.
STORES = ("breakers/store/memory.py", "breakers/store/fleet.py")
MAKERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Forward": ("breakers", ("breakers/decide.py",)),
    "HeldWrite": ("breakers.store", STORES),
    "HeldRead": ("breakers.store", STORES),
    "Intent": ("proxy.ledger", ("proxy/ledger/book.py",)),
    "Entry": ("proxy.ledger", ("proxy/ledger/book.py",)),
    "Redo": ("proxy.passes", ("proxy/doubt/ways.py",)),
}


def arrows(root: Path) -> list[str]:
    """
    Find imports against the arrows: into a room on the right, or into anything of ours from the sandbox.
    """
    found = []
    for source in sources(root, *ROOMS):
        for line, name in imports(source):
            target = name.split(".")[0]
            if target not in ROOMS:
                continue
            if source.path.startswith(_ISLAND) and not within(name, "loadtest.upstreams"):
                found.append(f"{source.path}:{line}: the sandbox imports nothing of ours, not even {name}")
            elif target not in _MAY_IMPORT[source.room]:
                found.append(f"{source.path}:{line}: {source.room} may not import {name}")
    return found


def kept_packages(root: Path) -> list[str]:
    """
    Find imports of a package outside the files that may know it.
    """
    found = []
    for source in sources(root, *SHIPPED):
        for line, name in imports(source):
            for package, files in _KEPT.items():
                if within(name, package) and not _stands_in(source.path, files):
                    where = ", ".join(files) or "nothing that is shipped"
                    found.append(f"{source.path}:{line}: only {where} may import {package}")
    return found


def impure_judgement(root: Path) -> list[str]:
    """
    Find clocks, randomness, logging and I/O in the room of judgement.
    """
    found = []
    for source in sources(root, "breakers"):
        if source.path in _IMPURE_ALLOWED:
            continue
        for line, name in imports(source):
            found += [
                f"{source.path}:{line}: breakers may not import {package}; take what it tells as an argument"
                for package in _IMPURE
                if within(name, package)
            ]
        for node in source.nodes:
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"open", "print", "input"}
            ):
                found.append(f"{source.path}:{node.lineno}: breakers does no I/O, so no {node.func.id}()")
    return found


def world_outside_clock(root: Path) -> list[str]:
    """
    Find whoever reads the clock or draws randomness instead of being handed them.
    """
    found = []
    for source in sources(root, *SHIPPED):
        if source.path == _WORLD_FILE:
            continue
        bound = bindings(source)
        # The longest name comes first in a walk, so `secrets` inside `secrets.token_hex` is not found again.
        names = {(node.lineno, node.col_offset): name for node, name in reversed(list(_imported_names(source, bound)))}
        found += [
            f"{source.path}:{line}: {name} belongs to {_WORLD_FILE}; take a Clock or a Randomness"
            for (line, _), name in sorted(names.items())
            if any(name == banned or ("." not in banned and within(name, banned)) for banned in _WORLD)
        ]
    return found


def late_imports(root: Path) -> list[str]:
    """
    Find imports by a computed name, which no other check could see, and what the table of commands names in vain.

    The table names what a command needs by whole names, which count as imports of its file.
    """
    return [
        f"{source.path}:{call.lineno}: import by statement, so that arrows can be checked"
        for source in sources(root, *SHIPPED)
        for bound in (bindings(source),)
        for call in _calls(source)
        if dotted(call.func, bound) in {"importlib.import_module", "__import__"} and source.path != TABLE
    ] + [
        f"{source.path}:{line}: there is no module {name}"
        for source in sources(root, "proxy")
        for line, name in tabled(source)
        if not (root / f"{name.replace('.', '/')}.py").exists()
    ]


def makers(root: Path) -> list[str]:
    """
    Find whoever builds a guarded type outside the one file that may; tests may build what they need.
    """
    found = []
    for source in sources(root, *SHIPPED, "loadtest"):
        bound = bindings(source)
        for call in _calls(source):
            name = dotted(call.func, bound) or ""
            # A name that was not imported is the file's own.
            full = name if name.split(".")[0] in ROOMS else f"{source.module}.{name}"
            home, files = MAKERS.get(full.rsplit(".", 1)[-1], ("", (source.path,)))
            if within(full, home) and source.path not in files:
                built = full.rsplit(".", 1)[-1]
                found.append(f"{source.path}:{call.lineno}: only {' or '.join(files)} may build {built}")
    return found


def unreached(root: Path) -> list[str]:
    """
    Find dead files: shipped modules that no other shipped module imports and that are no entry point.
    """
    shipped = sources(root, *SHIPPED)
    names = {name for source in shipped for _, name in imports(source)}
    reached = names | {name.rsplit(".", 1)[0] for name in names}
    entries = {"proxy.__main__", "proxy.cli"}
    return [
        f"{source.path}: nothing that is shipped imports it; use it or remove it"
        for source in shipped
        if source.module not in reached | entries and not source.path.endswith("__init__.py")
    ]


def _stands_in(path: str, files: tuple[str, ...]) -> bool:
    return any(path.startswith(file) if file.endswith("/") else path == file for file in files)


def _imported_names(source: Source, bound: Mapping[str, str]) -> Iterator[tuple[ast.expr, str]]:
    """
    Yield every use of something imported under its full name, `a.b.c` before the `a.b` and the `a` inside it.
    """
    for node in source.nodes:
        if isinstance(node, ast.Name | ast.Attribute):
            first: ast.expr = node
            while isinstance(first, ast.Attribute):
                first = first.value
            if isinstance(first, ast.Name) and first.id in bound:
                yield node, dotted(node, bound) or ""


def _calls(source: Source) -> Iterator[ast.Call]:
    return (node for node in source.nodes if isinstance(node, ast.Call))
