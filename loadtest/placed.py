"""
A user's configuration as it is run for a load: nothing of it is shared with a process that serves already.

State folder, doors, the operators' door and the store are others, and nobody is told of alerts. What it calls instead
of its APIs stands in the scenario's file, and is on loopback unless whoever runs it says otherwise: a load must not
reach a real account because a line was forgotten.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.faults import ConfigurationFault, Unreadable
from config.load import Configuration, load
from config.place import read_files
from config.shape import Places
from loadtest.bench import CREDENTIAL, CREDENTIAL_ENV, Bench
from loadtest.scene import LEDGER
from loadtest.written import SANDBOX, address_of

# What of a configuration is another one in a run, or is not there: whose it is, who is told, who shares it.
LEFT_OUT = (
    "state", "admin", "doors", "shared", "hosts", "workers", "alerts",
    "store", "store_password", "sentinel_password", "store_tls",
)  # fmt: skip

# Who calls a sandbox of an API that takes Basic.
_USER = "bot@shop.test"


def read_configuration(
    path: Path, upstreams: Mapping[str, str], *, remote: bool
) -> tuple[dict[str, Any], Configuration]:
    """
    Read a configuration, a file or a folder, and have each of its APIs lead to its place in the run.

    Raise `ConfigurationFault` where `breakwater check` would, or where it would leave this machine without `remote`.
    """
    configuration, (source, folder) = load(path), read_files(path)
    document: dict[str, Any] = copy.deepcopy(source.value)
    places, found = Places(source), []
    for name, account in document.get("apis", {}).items():
        account["upstream"] = upstreams.get(name, account.get("upstream"))
        if not remote and not _stays_here(account["upstream"]):
            hint = f"add `upstreams: {{{name}: sandbox}}` to the target, or say --allow-remote if you mean it"
            found.append(places.key(("apis", name)).fault(f"the load would leave this machine for `{name}`", hint))
        if (catalog := folder / account["catalog"]).is_file():
            account["catalog"] = str(catalog.resolve())
        if file := account["credential"].get("file"):
            account["credential"]["file"] = str((folder / file).resolve())
    if found:
        raise ConfigurationFault(found)
    kept = {key: value for key, value in document.items() if key not in LEFT_OUT}
    # Decimals as JSON spells them: they are read as decimals again.
    made = json.dumps({**kept, "ledger": {**kept.get("ledger", {}), **LEDGER}}, default=float)
    return json.loads(made), configuration


def _stays_here(upstream: object) -> bool:
    urls = upstream.values() if isinstance(upstream, Mapping) else [upstream]
    try:
        return all(url == SANDBOX or address_of(str(url), remote=False) for url in urls)
    except Unreadable:
        return False


def placed(
    bench: Bench, document: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """
    Start the sandboxes that a configuration is to call, and return it with the credentials that it names.
    """
    accounts, secrets = {}, {}
    for name, account in document.get("apis", {}).items():
        credential, upstream = account.get("credential", {}), account["upstream"]
        if upstream == SANDBOX:
            upstream = bench.sandbox(name)
            credential = {"env": CREDENTIAL_ENV, **({"user": _USER} if "user" in credential else {})}
        elif variable := credential.get("env"):
            secrets[variable] = environment.get(variable, "")
        behind = bench.behind(upstream) if isinstance(upstream, str) else upstream
        accounts[name] = {**account, "upstream": behind, "credential": credential}
    return {**document, "apis": accounts}, {**secrets, CREDENTIAL_ENV: CREDENTIAL}
