"""With what the store's TLS is made: whom a Redis is believed by, and what this process shows to it; and where not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import model_validator

from config.faults import Unreadable
from config.store import MEMORY, redis_address
from config.written import Strict

_NO_PASSWORD = ("a store in memory has no password", "remove it, or name a Redis: `store: redis://HOST:PORT/DB`")
_NO_TLS = ("no TLS leads to this store", "remove it, or write `rediss://`, `sentinels://` or `clusters://`")
_NO_SENTINELS = ("this store has no Sentinels", "remove it, or write `store: sentinel://HOST:PORT,…/NAME`")


def misplaced(store: str) -> Mapping[str, tuple[str, str]]:
    """
    Return which settings mean nothing beside a store: each with what is wrong with it, and the fix.
    """
    at = None if store == MEMORY else redis_address(store)
    return {
        **({"store_password": _NO_PASSWORD} if at is None else {}),
        **({"store_tls": _NO_TLS} if at is None or not at.tls else {}),
        **({"sentinel_password": _NO_SENTINELS} if at is None or not at.primary else {}),
    }


class StoreTls(Strict):
    """
    The files of the store's TLS. Relative to this file; read once, at start.
    """

    ca: Path | None = None
    """The certificates of whoever signs for the Redis; without it, those that the machine trusts."""
    certificate: Path | None = None
    """The certificate that this process shows, and what leads to its CA."""
    key: Path | None = None
    """The key of that certificate, without a passphrase."""

    @model_validator(mode="after")
    def _is_a_pair(self) -> StoreTls:
        """
        Refuse a certificate without its key, and a key without its certificate.
        """
        if (self.certificate is None) != (self.key is None):
            raise Unreadable("a certificate and its key go together", "write `certificate: FILE` and `key: FILE`")
        return self

    def within(self, folder: Path) -> StoreTls:
        """
        Return it with its paths made relative to a folder.
        """
        named = {name: getattr(self, name) for name in ("ca", "certificate", "key")}
        return self.model_copy(update={name: None if at is None else folder / at for name, at in named.items()})
