"""The store that the configuration names, ready to be started: this process's memory, or a Redis that several share."""

from __future__ import annotations

from collections.abc import Mapping

from breakers.store.memory import MemoryStore
from breakers.store.moves import Retention
from breakers.store.protocol import Store
from breakers.store.redis import redis_store
from config.load import Configuration
from config.store import MEMORY, redis_address
from proxy.clock import Clock
from proxy.secret import read_secret


def open_store(configuration: Configuration, environ: Mapping[str, str], clock: Clock) -> Store:
    """
    Return the store, with nothing in it and nothing dialled yet; whoever takes it starts it.

    Raise `StartRefused` where the password that is named for it cannot be read.
    """
    settings = configuration.settings
    retention = Retention.of(settings.idempotency)
    if settings.store == MEMORY:
        return MemoryStore(clock.now, retention)
    named = settings.store_password
    password = None if named is None else read_secret(named, environ, "the store's password", "store_password").reveal()
    return redis_store(redis_address(settings.store), password, settings.deployment, clock.now, retention)
