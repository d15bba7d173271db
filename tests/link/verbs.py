"""Which scripts a store makes, and which commands all of them and the store itself are made of."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from breakers.store import scripts
from breakers.store.fleet import FleetStore
from breakers.store.scripts import VERBS

STORE = Path(scripts.__file__).parent
_CALLED = re.compile(r"""redis\.p?call\(\s*['"]([A-Z]+)['"]""")


@dataclass(slots=True)
class Made:
    """
    The verbs that were made.
    """

    verbs: set[str] = field(default_factory=set)

    def is_all(self) -> None:
        """
        Fail where one that there is was not made.
        """
        assert self.verbs == set(VERBS)


@contextlib.contextmanager
def verbs_of(store: FleetStore, made: Made) -> Iterator[None]:
    """
    Note what a store makes.
    """
    run = store._link.run

    async def running(verb: str, *told: object, **how: object) -> object:
        made.verbs.add(verb)
        return await run(verb, *told, **how)  # type: ignore[arg-type] # as they came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._link, "run", running)
        yield


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
                if isinstance(name, ast.Starred) and isinstance(name.value, ast.Tuple):
                    name = name.value.elts[0]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    found.add(name.value)
    return frozenset(found) - CONNECTING


# What the link itself makes, before and beside what stores ask.
CONNECTING = frozenset({"AUTH", "SELECT", "INFO", "EVALSHA", "EVAL", "CLUSTER", "SENTINEL"})
