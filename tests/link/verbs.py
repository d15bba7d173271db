"""Which scripts and commands a store makes, and that a test has made all that there are."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from breakers.store import scripts
from breakers.store.fleet import FleetStore
from breakers.store.scripts import VERBS

STORE = Path(scripts.__file__).parent
_CALLED = re.compile(r"""redis\.p?call\(\s*['"]([A-Z]+)['"]""")


@dataclass(slots=True)
class Made:
    """
    The verbs and the commands that were made.
    """

    verbs: set[str] = field(default_factory=set)
    commands: set[str] = field(default_factory=set)

    def are_all(self) -> None:
        """
        Say which of all that there are were not.
        """
        assert self.verbs == set(VERBS)
        assert self.commands == asked_in_python()


@contextlib.contextmanager
def verbs_of(store: FleetStore) -> Iterator[Made]:
    """
    Note what a store makes.
    """
    made, run, ask = Made(), store._link.run, store._link.ask

    async def running(verb: str, *told: object, **how: object) -> object:
        made.verbs.add(verb)
        return await run(verb, *told, **how)  # type: ignore[arg-type] # as they came

    async def asking(command: str, *told: object, **how: object) -> object:
        made.commands.add(command)
        return await ask(command, *told, **how)  # type: ignore[arg-type] # as they came

    link = store._link
    link.run, link.ask = running, asking  # type: ignore[method-assign,assignment] # for a while
    try:
        yield made
    finally:
        del link.run, link.ask


def called_in_lua() -> frozenset[str]:
    """
    Return the commands that scripts make.
    """
    texts = [path.read_text("utf-8") for path in (STORE / "lua").glob("*.lua")]
    calls = sum(len(re.findall(r"redis\.p?call\(", text)) for text in texts)
    found = [name for text in texts for name in _CALLED.findall(text)]
    assert len(found) == calls, "a script makes a command whose name is not written out"
    return frozenset(found)


def asked_in_python() -> frozenset[str]:
    """
    Return the plain commands that stores make: every name that is written out in a call of `ask`.
    """
    found = set()
    for path in STORE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "ask":
                name = node.args[0] if node.args else None
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    found.add(name.value)
    return frozenset(found) - CONNECTING


# What the link itself makes, before and beside what stores ask.
CONNECTING = frozenset({"AUTH", "SELECT", "INFO", "EVALSHA", "EVAL", "CLUSTER", "SENTINEL"})
