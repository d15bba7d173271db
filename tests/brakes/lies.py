"""
Stores of breakers that do not keep a promise, to see that the machine finds each one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from breakers.breaker import Breaker
from breakers.store.buckets import Window
from breakers.store.gauges import Gauges

Patch = tuple[object, str, Callable[..., Any]]


def _no(*arguments: object) -> Any:
    return None


def _yes(*arguments: object) -> bool:
    return True


def _whoever(self: Gauges, before: Breaker | None, after: Breaker) -> bool:
    self._put(after)
    return True


def _keeps(self: Gauges, breaker: Breaker) -> None:
    self._breakers[breaker.key] = breaker
    for window in (self._windows[key] for key in self._windows if key == breaker.key):
        window.gen = breaker.gen


LIES: Mapping[str, Patch] = {
    "a permit is given to whoever asks": (Gauges, "have", _yes),
    "a permit does not come back": (Gauges, "let_go", _no),
    "a breaker is moved by who has not seen it": (Gauges, "move", _whoever),
    "what an older generation counted still counts": (Gauges, "_put", _keeps),
    "a window forgets nothing": (Window, "forget", _no),
}
