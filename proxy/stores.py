"""The store that the configuration names, ready to be started: this process's memory, or a Redis that several share."""

from __future__ import annotations

from collections.abc import Mapping

from breakers.store.memory import MemoryStore
from breakers.store.moves import Retention
from breakers.store.protocol import Store
from breakers.store.redis import redis_store
from config.load import Configuration
from config.store import MEMORY, PasswordSource, redis_address
from proxy.clock import Clock
from proxy.secret import Secret, admit_secret, read_secret_file


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
    password = None if named is None else _read_password(named, environ).reveal()
    return redis_store(redis_address(settings.store), password, settings.deployment, clock.now, retention)


def _read_password(source: PasswordSource, environ: Mapping[str, str]) -> Secret:
    whose, hint = "the store's password", "set it, or name another place in store_password"
    if source.env is not None:
        return admit_secret(environ.get(source.env, ""), whose, f"environment variable {source.env}", hint)
    assert source.file is not None
    return admit_secret(read_secret_file(source.file, whose), whose, f"file {source.file}", hint)
