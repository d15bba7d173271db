"""What commands do with tasks: through the running process, or on the state folder itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from breakers.store.memory import MemoryStore
from breakers.store.moves import Retention
from config.load import Configuration
from config.store import MEMORY
from proxy.app import open_tasks
from proxy.cli.client import find_running, has_started
from proxy.cli.folder import on_folder
from proxy.clock import SystemClock
from proxy.errors import StartRefused
from proxy.ledger.book import Ledger
from proxy.tasks import Tasks

T = TypeVar("T")

TASK_HELP = "AGENT/ID, as `task open` printed it"


def asked(
    configuration: Configuration,
    method: str,
    path: str,
    body: object,
    work: Callable[[Tasks], Awaitable[T]],
    *,
    makes: bool = False,
) -> Any:
    """
    Ask the process that serves the state folder, or do the work on the folder where none does.

    Raise `StartRefused` where there is no folder yet, but for what makes the first thing in it, and where others share
    the store: they would not be told.
    """
    running = find_running(configuration.settings.state)
    if running is not None:
        return running.insist(method, path, body)
    if configuration.settings.store != MEMORY:
        hint = "its tasks are in Redis, where others may work under them; ask a process that runs"
        raise StartRefused("no Breakwater is running on this state folder", hint)
    if not makes and not has_started(configuration.settings.state):
        raise StartRefused("no task was opened here yet", "`breakwater task open --agent AGENT` opens one")
    return on_folder(configuration, lambda ledger, _: _on_record(configuration, ledger, work))


async def _on_record(configuration: Configuration, ledger: Ledger, work: Callable[[Tasks], Awaitable[T]]) -> T:
    clock = SystemClock()
    store = MemoryStore(clock.now, Retention.of(configuration.settings.idempotency))
    await store.start(ledger.recovered.events)
    return await work(open_tasks(configuration, ledger, store, clock))
