"""An API account as the road needs it: its catalogue, its origins, its credential, what hides an echo of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from yarl import URL

from config.catalog import OperationSpec
from config.dialect import Dialect
from config.load import Configuration
from config.tables import Catalog
from proxy.secret import Secret, read_credential, spell_credential
from proxy.shown import Scrubber


@dataclass(frozen=True, slots=True)
class Account:
    """
    One configured API: `origins` by base; the credential itself stays inside its `Secret`.
    """

    name: str
    catalog: Catalog
    origins: Mapping[str, URL]
    secret: Secret
    scrubber: Scrubber

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

    def credential(self) -> tuple[str, str]:
        """
        Return the header that carries the real credential, spelled at the last moment.
        """
        slot = self.dialect.credential
        return slot.header, spell_credential(slot.scheme, self.secret)

    def upstream_key_header(self, spec: OperationSpec) -> str | None:
        """
        Return the header that takes an idempotency key, where the vendor honours one for this operation.
        """
        return self.dialect.upstream_key_header if spec.honours_key else None


def open_account(configuration: Configuration, name: str, environ: Mapping[str, str]) -> Account:
    """
    Read the credential of an API and return its account; raise `StartRefused` where there is none.
    """
    secret = read_credential(name, configuration.apis[name].credential, environ)
    origins = {base: URL(configuration.upstream(name, base)) for base in configuration.bases(name)}
    return Account(name, configuration.catalogs[name], origins, secret, Scrubber(secret))
