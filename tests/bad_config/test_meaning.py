"""Configurations that are YAML and mean nothing: shapes, names, types, limits. Places count from 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.faults import ConfigurationFault
from config.load import load
from tests.canary.forms import secret
from tests.canary.plugin import watch
from tests.config.shop import GOOD, faults

APIS = "apis:\n  shop: {catalog: shop, credential: {env: SHOP_KEY}}\n"

CARD = APIS + "agents:\n  clerk: {purpose: Serve, environment: test, allow: {shop: {\n"


def allowing(rule: str) -> str:
    """
    Return a configuration whose line 5 is an allow entry.
    """
    return f"{CARD}    {rule}\n    }}}}}}\n"


def card(member: str) -> str:
    """
    Return a configuration whose line 4 ends in this member of a card, from column 44 on.
    """
    return f"{APIS}agents:\n  cashier: {{purpose: x, environment: test, {member}}}\n"


Expected = tuple[int, int, str, str]

# text, then every fault: line, column, part of the message, part of the hint
PROCESS: dict[str, tuple[str, list[Expected]]] = {
    "unknown section": ("staet: x\n", [(1, 1, "`staet` is unknown here", "did you mean `state`")]),
    "later section": ("tokens: {ttl_s: 5}\n", [(1, 1, "`tokens` is not in this version", "remove it")]),
    "unknown in section": (
        "ledger:\n  raeds: durable\n",
        [(2, 3, "`raeds` is unknown here", "did you mean `reads`")],
    ),
    "later in section": ("ledger: {linger_ms: 0}\n", [(1, 10, "`linger_ms` is not in this version", "remove")]),
    "wrong choice": ("ledger: {reads: durble}\n", [(1, 17, "`durble` is not one of its values", "`durable`")]),
    "wrong nested choice": (
        "ledger:\n  on_unavailable: {reads: serve}\n",
        [(2, 27, "`serve` is not one of its values", "refuse")],
    ),
    "bad origin": ("ledger: {origin: a b/c/d}\n", [(1, 18, "three parts", "example.com/payments/replica-1")]),
    "no mapping": ("ledger: durable\n", [(1, 9, "this must be a mapping", "name: value")]),
    "null section": ("ledger:\n", [(1, 1, "this must be a mapping", "`{}`")]),
    "null time-out": ("timeouts: {connect: }\n", [(1, 12, "is not a duration", "`5s`")]),
    "no unit": ("timeouts:\n  connect: 5\n", [(2, 12, "`5` is not a duration", "`5s`")]),
    "fraction": ("timeouts: {look: 1.5}\n", [(1, 18, "`1.5` is not a duration", "`1.5s`")]),
    "internal name": ("timeouts: {connect_s: 5s}\n", [(1, 12, "`connect_s` is unknown here", "`connect`")]),
    "not a size": ("limits: {body_bytes_max: 1MB}\n", [(1, 26, "`1MB` is not a size", "`1MiB`")]),
    "too small": ("limits: {body_bytes_max: 10}\n", [(1, 26, "this is too little", "at least 1024")]),
    "too large": ("limits: {body_bytes_max: 33MiB}\n", [(1, 26, "this is too much", "at most 33554432")]),
    "not whole": ("limits: {connections: '5'}\n", [(1, 23, "whole number", "without quotes")]),
    "boolean number": ("limits: {connections: true}\n", [(1, 23, "whole number", "")]),
    "number as path": ("state: 5\n", [(1, 8, "this must be a path", '"5"')]),
    "admin by name": ("admin: localhost:8470\n", [(1, 8, "`localhost` is no IP address", "`127.0.0.1:8470`")]),
    "door of no API": (APIS + "doors: {shp: '[::1]:1'}\n", [(3, 9, "door `shp` is for no API", "`shop`")]),
    "door of no base": (
        APIS + "doors: {shop.fils: '127.0.0.1:1'}\n",
        [(3, 9, "`shop.fils` is for no base of `shop`", "`shop.files`")],
    ),
    "one door twice": (
        APIS + "doors: {shop: '127.0.0.1:1', shop.api: '127.0.0.1:2'}\n",
        [(3, 30, "`shop.api` and `shop` are one door", "keep one")],
    ),
    "one address twice": (
        APIS + "doors: {shop: '127.0.0.1:1', shop.files: '127.0.0.1:1'}\n",
        [(3, 42, "127.0.0.1:1 is the address of door `shop` already", "port 0")],
    ),
    "everyone's address": (
        APIS + "doors: {shop: '127.0.0.1:1'}\nadmin: 0.0.0.0:1\n",
        [(3, 15, "127.0.0.1:1 is the address of `admin` already", "port 0")],
    ),
    "shared is admin": (
        "shared: 127.0.0.1:8470\n",
        [(1, 9, "127.0.0.1:8470 is the address of `admin` already", "port 0")],
    ),
}

ACCOUNTS: dict[str, tuple[str, list[Expected]]] = {
    "null APIs": ("apis:\n", [(1, 1, "this must be a mapping", "`name:`")]),
    "list of APIs": ("apis: [shop]\n", [(1, 7, "this must be a mapping", "`name:`")]),
    "bad name": (
        "apis:\n  Shop: {catalog: shop, credential: {env: A}}\n",
        [(2, 3, "`Shop` is not a name", "small letters")],
    ),
    "nothing said": (
        "apis:\n  shop: {}\n",
        [(2, 3, "`catalog` is missing", "add `catalog:`"), (2, 3, "`credential` is missing", "add `credential:`")],
    ),
    "unknown catalogue": (
        "apis:\n  shop: {catalog: shpo, credential: {env: A}}\n",
        [(2, 19, "there is no catalogue `shpo`", "`shop`")],
    ),
    "unknown member": (
        "apis:\n  shop: {catalog: shop, credentials: {env: A}}\n",
        [(2, 3, "`credential` is missing", ""), (2, 25, "`credentials` is unknown here", "`credential`")],
    ),
    "later member": (
        "apis:\n  shop: {catalog: shop, credential: {env: A}, throttle: {}}\n",
        [(2, 47, "`throttle` is not in this version", "remove it")],
    ),
    "two places": (
        "apis:\n  shop: {catalog: shop, credential: {env: A, file: b}}\n",
        [(2, 37, "exactly one place", "either `{env: NAME}` or")],
    ),
    "no place": (
        "apis:\n  shop: {catalog: shop, credential: {}}\n",
        [(2, 37, "exactly one place", "`{file: PATH}`")],
    ),
    "three places": (
        "apis:\n  shop: {catalog: shop, credential: {env: A, file: b, vault: c}}\n",
        [(2, 37, "exactly one place", "`{vault: NAME}`")],
    ),
    "no vault's name": (
        "apis:\n  shop: {catalog: shop, credential: {vault: Not A Name}}\n",
        [(2, 37, "`vault` is the name of a sealed credential", "`{vault: stripe}`")],
    ),
    "user without Basic": (
        "apis:\n  shop: {catalog: shop, credential: {env: A, user: me}}\n",
        [(2, 46, "`shop` takes its credential without a user", "remove `user`")],
    ),
    "no origin known": (
        "apis:\n  site: {catalog: site, credential: {env: A}}\n",
        [(2, 3, "`site` needs an `upstream`", "`upstream: https://…`")],
    ),
    "path in upstream": (
        "apis:\n  shop: {catalog: shop, credential: {env: A}, upstream: https://x.example/v1}\n",
        [(2, 57, "without a path", "`https://x.example`")],
    ),
    "plain http": (
        "apis:\n  shop: {catalog: shop, credential: {env: A}, upstream: {files: http://x.example}}\n",
        [(2, 65, "in the clear", "`https://x.example`")],
    ),
    "unknown base": (
        "apis:\n  shop: {catalog: shop, credential: {env: A}, upstream: {fils: https://x.example}}\n",
        [(2, 58, "`fils` is no base of `shop`", "`files`")],
    ),
    "own door": (
        "apis:\n  shop: {catalog: shop, credential: {env: A}, upstream: http://127.0.0.1:8470}\n",
        [(2, 57, "http://127.0.0.1:8470 is a door of this Breakwater", "where the API itself answers")],
    ),
    "own door for everyone": (
        "admin: 0.0.0.0:81\napis:\n  shop: {catalog: shop, credential: {env: A}, upstream: http://127.0.0.2:81}\n",
        [(3, 57, "is a door of this Breakwater", "")],
    ),
}

CARDS: dict[str, tuple[str, list[Expected]]] = {
    "no purpose": (APIS + "agents:\n  a: {environment: test}\n", [(4, 3, "`purpose` is missing", "add `purpose:`")]),
    "bad agent name": (
        APIS + "agents:\n  a}b: {purpose: x, environment: test}\n".replace("a}b", "'a}{b'"),
        [(4, 3, "`a}{b` is not a name", "small letters")],
    ),
    "no owners": (
        APIS + "agents:\n  a: {purpose: x}\n",
        [(4, 3, "in production and has no owner for `business`, `technical` or `model`", "add `owners:")],
    ),
    "one owner missing": (
        APIS + "agents:\n  a: {purpose: x, owners: {business: b, model: m}}\n",
        [(4, 19, "no owner for `technical`", "another `environment`")],
    ),
    "unknown role": (card("owners: {busines: b}"), [(4, 53, "`busines` is unknown here", "`business`")]),
    "owner is a number": (card("owners: {model: 5}"), [(4, 60, "this must be text", '"5"')]),
    "unknown environment": (
        APIS + "agents:\n  a: {purpose: x, environment: prodution}\n",
        [
            (4, 3, "has no owner for", "owners"),
            (4, 32, "`prodution` is not one of its values", "did you mean `production`?"),
        ],
    ),
    "unknown zone": (card("tz: Europe/Madird"), [(4, 48, "`Europe/Madird` is no time zone", "`Europe/Madrid`")]),
    "zone as a path": (card("tz: ../../etc/passwd"), [(4, 48, "is no time zone", "IANA")]),
    "unknown tier": (card("tier: sugest"), [(4, 50, "`sugest` is no tier", "did you mean `suggest`?")]),
    "tier off": (card("tier: false"), [(4, 50, "YAML reads it as true or false", "shadow, suggest, approve, auto")]),
    "later member": (card("throttle: {}"), [(4, 44, "`throttle` is not in this version", "remove it")]),
    "unknown API": (card("allow: {shp: {}}"), [(4, 52, "there is no API `shp`", "`shop`")]),
    "unknown API in deny": (card("deny: {shp: []}"), [(4, 51, "there is no API `shp`", "`shop`")]),
    "allow is a list": (card("allow: {shop: [charges.list]}"), [(4, 58, "this must be a mapping", "name: value")]),
    "deny is a word": (card("deny: {shop: refunds.create}"), [(4, 57, "this must be a list", "[one, two]")]),
    "deny of nothing": (
        card("deny: {shop: [refunds.*, refund.create]}"),
        [(4, 69, "`shop` has no operation `refund.create`", "`refunds.create`")],
    ),
    "deny glob of nothing": (
        card("deny: {shop: ['payouts.*']}"),
        [(4, 58, "`payouts.*` matches no operation of `shop`", "breakwater catalog show")],
    ),
    "unknown header": (
        card("allow: {shop: {}}, headers: {Shop-Acount: [a]}"),
        [(4, 73, "`shop-acount` is no header", "`shop-account`")],
    ),
    "header without list": (
        card("allow: {shop: {}}, headers: {Shop-Account: a}"),
        [(4, 87, "a list of values", "[acct_1, acct_2]")],
    ),
    "header twice": (
        card("allow: {shop: {}}, headers: {Shop-Account: [a], shop-account: [b]}"),
        [(4, 72, "twice, in other capitals", "list it once")],
    ),
}

RULES: dict[str, tuple[str, list[Expected]]] = {
    "unknown operation": (
        allowing("refund.create: {}"),
        [(5, 5, "`shop` has no operation `refund.create`", "did you mean `refunds.create`")],
    ),
    "glob of nothing": (
        allowing("'refund.*': {}"),
        [(5, 5, "`refund.*` matches no operation of `shop`", "breakwater catalog show")],
    ),
    "null rule": (allowing("refunds.create: "), [(5, 5, "this must be a mapping", "write `{}`")]),
    "later members": (
        allowing("refunds.create: {caps: {moved: 50 USD}, look: {}, refuse_if: {}}"),
        [(5, 22, "`caps` is not in this version", "remove it")],
    ),
    "unknown member": (allowing("refunds.create: {limits: {}}"), [(5, 22, "`limits` is unknown here", "`limit`")]),
    "unknown argument": (
        allowing("refunds.create: {only: {chrage: a}, limit: {amuont: 1..2 USD}}"),
        [
            (5, 29, "`refunds.create` has no argument `chrage`", "did you mean `charge`?"),
            (5, 49, "`refunds.create` has no argument `amuont`", "did you mean `amount`"),
        ],
    ),
    "wrong place": (
        allowing("refunds.create: {only: {path.charge: a}}"),
        [(5, 29, "has no argument `path.charge`", "did you mean `body.charge`?")],
    ),
    "argument of one match": (
        allowing("'refunds.*': {limit: {amount: 1..2 USD}}"),
        [(5, 27, "`refunds.move`, which `refunds.*` matches, has no argument `amount`", "each operation that has it")],
    ),
    "no list": (allowing("refunds.create: {only: {charge: []}}"), [(5, 37, "an empty list", "list the values")]),
    "null value": (allowing("refunds.create: {only: {charge: }}"), [(5, 29, "`only` lists text", "")]),
    "fraction": (
        allowing("refunds.create: {only: {ratio: [0.5]}}"),
        [(5, 36, "`only` lists text, whole numbers", "`12.5..12.5`")],
    ),
    "text is expected": (
        allowing("refunds.create: {only: {charge: [a, 5, true]}}"),
        [(5, 41, "`charge` is text", '"5"'), (5, 44, "`charge` is text", '"true"')],
    ),
    "number is expected": (
        allowing("refunds.create: {only: {count: ['5', true]}}"),
        [(5, 37, "`count` is a whole number", "without quotes"), (5, 42, "`count` is a whole number", "")],
    ),
    "boolean is expected": (
        allowing("refunds.create: {only: {urgent: 1}}"),
        [(5, 37, "`urgent` is a boolean", "`true` or `false`")],
    ),
    "two places, two types": (
        allowing("refunds.move: {only: {charge: a}}"),
        [(5, 35, "`charge` is a whole number", "")],
    ),
    "list argument": (allowing("refunds.create: {only: {labels: a}}"), [(5, 29, "`labels` is a list", "remove it")]),
    "mapping argument": (allowing("refunds.create: {only: {extra: a}}"), [(5, 29, "`extra` is a mapping", "")]),
    "limit on text": (
        allowing("refunds.create: {limit: {charge: 1..2}}"),
        [(5, 38, "`charge` of `refunds.create` is not a number", "`only`")],
    ),
    "limit on anything": (allowing("refunds.create: {limit: {either: 1..2}}"), [(5, 38, "is not a number", "")]),
    "limit on a boolean": (allowing("refunds.create: {limit: {urgent: 0..1}}"), [(5, 38, "is not a number", "")]),
    "amount without currency": (
        allowing("refunds.create: {limit: {amount: 1..100}}"),
        [(5, 38, "`amount` of `refunds.create` is money", "`1..100 USD`")],
    ),
    "currency on a number": (
        allowing("refunds.create: {limit: {count: 1..100 USD}}"),
        [(5, 37, "`count` of `refunds.create` is not known to be an amount", "the amount is `amount`")],
    ),
    "currency without amounts": (
        allowing("charges.list: {limit: {limit: 1..100 USD}}"),
        [(5, 35, "not known to be an amount of money", "without a currency")],
    ),
    "one number": (
        allowing("refunds.create: {limit: {amount: 0.5}}"),
        [(5, 38, "`0.5` is one number", "0.50..100 USD")],
    ),
    "one end": (allowing("refunds.create: {limit: {amount: ..100 USD}}"), [(5, 38, "one end only", "both ends")]),
    "turned round": (
        allowing("refunds.create: {limit: {amount: 100..0.50 USD}}"),
        [(5, 38, "low end is above", "`0.50..100.00 USD`")],
    ),
    "small currency": (allowing("refunds.create: {limit: {amount: 1..2 usd}}"), [(5, 38, "`usd` is not how", "`USD`")]),
    "beyond the ceiling": (
        allowing("refunds.create: {limit: {amount: 1..9007199255 USD}}"),
        [(5, 38, "beyond 2**53 micro-units", "at most")],
    ),
}

TABLE = {
    f"{section}: {name}": case
    for section, cases in (("process", PROCESS), ("account", ACCOUNTS), ("card", CARDS), ("rule", RULES))
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", TABLE)
def test_meaning(name: str, tmp_path: Path) -> None:
    """A configuration that means nothing has exactly these faults, each at its place with its fix."""
    text, expected = TABLE[name]
    path = tmp_path / "breakwater.yaml"
    path.write_text(text, encoding="utf-8")
    found = faults(path)
    assert [(fault.line, fault.column) for fault in found] == [(line, column) for line, column, _, _ in expected], found
    for fault, (_, _, message, hint) in zip(found, expected, strict=True):
        assert message in fault.message
        assert hint in fault.hint
        assert fault.file == str(path)


@pytest.mark.parametrize(
    "written",
    [
        "SECRET",
        "{env: SECRET}",
        "[SECRET]",
        "{SECRET: x}",
        "{env: A, file: [SECRET]}",
        "{env: [SECRET], user: 5}",
        "{vault: [SECRET]}",
        "{vault: Upstream/SECRET}",
    ],
)
def test_no_credential_shown(tmp_path: Path, written: str) -> None:
    """A credential that someone wrote into the file as a value is refused without being repeated."""
    path, text = tmp_path / "breakwater.yaml", secret("written")
    watch.may_hold(path)
    path.write_text(f"apis:\n  shop: {{catalog: shop, credential: {written.replace('SECRET', text)}}}\n")
    found = faults(path)
    assert found
    shown = [said for fault in found for said in (fault.message, fault.hint)]
    as_key = written.startswith("{SECRET")
    assert as_key == any(text in said for said in shown)


def test_all_at_once(tmp_path: Path) -> None:
    """Faults of spelling, shape and meaning in one file are found in one run, by line."""
    text = GOOD.replace("environment: test", "environment: no\n    tier: fast\n    zone: UTC").replace(
        "charges.*: {}", "refund.create: {only: {charge: on}}\n        charges.list: {limit: {limit: 1}}"
    )
    path = tmp_path / "breakwater.yaml"
    path.write_text(text + "state: 5\nstate: 6\nadmin: 8470\n")
    assert [fault.line for fault in faults(path)] == [6, 8, 9, 10, 13, 13, 14, 15, 16, 17]


@pytest.mark.parametrize(
    ("catalog", "allow", "message", "hint"),
    [
        ("stripe", "refund.create: {}", "`stripe` has no operation `refund.create`", "`refunds.create`"),
        ("stripe", "refunds.create: {limit: {amount: 1..2}}", "`amount` of `refunds.create` is money", "USD"),
        ("stripe", "refunds.create: {only: {chrage: a}}", "no argument `chrage`", "`charge`"),
        ("github", "issue/create: {}", "`github` has no operation `issue/create`", "`issues/create`"),
        ("github", "issues/create: {only: {repo: 5}}", "`repo` is text", '"5"'),
        ("jira", "createIsue: {}", "`jira` has no operation `createIsue`", "`createIssue`"),
    ],
)
def test_bundled_catalogues(tmp_path: Path, catalog: str, allow: str, message: str, hint: str) -> None:
    """The bundled catalogues name what is nearest to a slip of the pen."""
    path = tmp_path / "breakwater.yaml"
    path.write_text(
        f"apis: {{it: {{catalog: {catalog}, upstream: https://site.example, credential: {{env: A}}}}}}\n"
        f"agents: {{a: {{purpose: x, environment: test, allow: {{it: {{{allow}}}}}}}}}\n"
    )
    with pytest.raises(ConfigurationFault) as broken:
        load(path)
    (fault,) = broken.value.faults
    assert message in fault.message
    assert hint in fault.hint
    assert fault.line == 2
