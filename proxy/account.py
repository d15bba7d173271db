"""An API account as the road needs it: its catalogue, its origins, its credential, what hides an echo of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from yarl import URL

from config.catalog import OperationSpec
from config.dialect import Dialect
from config.load import Configuration
from config.tables import Catalog
from config.written import Origin
from proxy.held import Held, Holder
from proxy.secret import read_credential
from proxy.shown import Scrubber

SOCKET = "unix:"


@dataclass(frozen=True, slots=True)
class Account:
    """
    One configured API: by base its `origins`, its `aliases` (what else its answers name) and the `sockets` that it is
    dialled at, where it is; the credential itself stays inside its `Secret`. `held` is the one version that it is good
    for, where it is for one call only.
    """

    name: str
    catalog: Catalog
    origins: Mapping[str, URL]
    credential: Holder
    aliases: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict)
    sockets: Mapping[str, str] = field(default_factory=dict)
    held: Held | None = None

    @property
    def scrubber(self) -> Scrubber:
        """
        Return what hides every version of the credential that is in use.
        """
        return self.credential.scrubber

    @property
    def dialect(self) -> Dialect:
        """
        Return the API's manners.
        """
        return self.catalog.dialect

    @property
    def title(self) -> str:
        """
        Return the API's name as people say it.
        """
        return self.catalog.dialect.title

    def current(self) -> Held:
        """
        Return the version of the credential that a call takes now, once, and holds until it has ended.
        """
        return self.credential.current() if self.held is None else self.held

    def holding(self) -> Account:
        """
        Return it as it is for one call: with the version that is current now, whatever is put in its place meanwhile.
        """
        return replace(self, held=self.current())

    def url(self, base: str, target: str) -> str:
        """
        Return the upstream's URL of a request target.
        """
        return f"{_spelled(self.origins[base])}{target}"

    def upstream_key_header(self, spec: OperationSpec) -> str | None:
        """
        Return the header that takes an idempotency key, where the vendor honours one for this operation.
        """
        return self.dialect.upstream_key_header if spec.honours_key else None


def open_account(configuration: Configuration, name: str, environ: Mapping[str, str]) -> Account:
    """
    Return an API's account with its credential from the environment or a file; one from the vault comes later.

    Raise `StartRefused` where there is none.
    """
    source, catalog = configuration.apis[name].credential, configuration.catalogs[name]
    upstreams = {base: configuration.upstream(name, base) for base in configuration.bases(name)}
    sockets = {base: at.removeprefix(SOCKET) for base, at in upstreams.items() if at.startswith(SOCKET)}
    origins = {base: _behind(base, catalog) if base in sockets else URL(at) for base, at in upstreams.items()}
    holder = Holder(catalog.dialect.credential)
    if source.vault is None:
        holder.turn([(name, read_credential(name, source, environ))])
    return Account(name, catalog, origins, holder, configuration.apis[name].aliases, sockets)


# There are a few of them, and each is spelled anew for every call.
_spelled = lru_cache(maxsize=1024)(str)


def _behind(base: str, catalog: Catalog) -> URL:
    """
    Return the origin that is asked for through a socket: the vendor's own host, where its catalogue names one.
    """
    return URL(catalog.dialect.origins.get(base) or "http://localhost").with_scheme("http").with_port(None)
