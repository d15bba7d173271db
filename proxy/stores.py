"""The store that the configuration names, ready to be started: this process's memory, or a Redis that several share."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from breakers.store.memory import MemoryStore
from breakers.store.moves import Retention
from breakers.store.protocol import Store
from breakers.store.redis import Access, redis_store
from config.load import Configuration
from config.store import MEMORY, PasswordSource, redis_address
from config.store_tls import StoreTls
from proxy.clock import Clock, Randomness, system_randomness
from proxy.errors import StartRefused
from proxy.secret import read_secret

_CA_HINT = "it is a file of certificates in PEM; see `store_tls`"
_PAIR_HINT = "both are PEM, the key belongs to the first certificate and has no passphrase; see `store_tls`"


def open_store(
    configuration: Configuration,
    environ: Mapping[str, str],
    clock: Clock,
    randomness: Randomness = system_randomness,
) -> Store:
    """
    Return the store, with nothing in it and nothing dialled yet; whoever takes it starts it.

    Raise `StartRefused` where a password or a file that is named for it cannot be read.
    """
    settings = configuration.settings
    retention = Retention.of(settings.idempotency)
    if settings.store == MEMORY:
        return MemoryStore(clock.now, retention)
    address = redis_address(settings.store)
    access = Access(
        _password(settings.store_password, environ, "the store's password", "store_password"),
        _password(settings.sentinel_password, environ, "the Sentinels' password", "sentinel_password"),
        tls_context(address.tls, settings.store_tls),
        lambda: int.from_bytes(randomness(4)) / 2**32,
    )
    return redis_store(address, access, settings.deployment, clock.now, retention)


def _password(source: PasswordSource | None, environ: Mapping[str, str], whose: str, setting: str) -> str | None:
    return None if source is None else read_secret(source, environ, whose, setting).reveal()


def tls_context(is_wanted: bool, files: StoreTls | None) -> ssl.SSLContext | None:  # noqa: FBT001 # a scheme's letter
    """
    Return whom TLS to the store believes, and what it shows: nothing where there is none.

    Raise `StartRefused` naming the file that cannot be used, never its content.
    """
    if not is_wanted:
        return None
    files = files or StoreTls()
    # Not the default context: that one trusts what the environment names, and writes session secrets where it says.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.ca is None:
        where = ssl.get_default_verify_paths()
        for kind, place in (("cafile", where.openssl_cafile), ("capath", where.openssl_capath)):
            if Path(place).exists():
                context.load_verify_locations(**{kind: place})
    else:
        try:
            context.load_verify_locations(files.ca)
        except OSError as error:
            raise StartRefused(f"the store's CA cannot be read: file {files.ca}: {_why(error)}", _CA_HINT) from None
    if files.certificate is not None and files.key is not None:
        try:
            # Without an answer at hand it would ask the terminal for a passphrase.
            context.load_cert_chain(files.certificate, files.key, password="")
        except OSError as error:
            pair = f"file {files.certificate} with the key in {files.key}: {_why(error)}"
            raise StartRefused(f"the store's certificate cannot be used: {pair}", _PAIR_HINT) from None
    return context


def _why(error: OSError) -> str:
    return (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or "it is no such file"
