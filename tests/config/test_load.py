from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import cast

import pytest

from config.faults import ConfigurationFault
from config.load import load
from config.money import Money
from config.policy import arguments_named, bare_name
from config.ranges import MoneyRange
from config.settings import ApiAccount, Settings
from config.written import Address, UnixSocket
from tests.config.shop import GOOD, SHOP, faults, loaded, open_catalog

CARD = "agents:\n  {}:\n    purpose: Serve\n    environment: test\n"


def test_defaults(tmp_path: Path) -> None:
    """What a file does not say has its default, and relative paths are relative to the file."""
    configuration = loaded(tmp_path, GOOD)
    default = Settings()
    assert configuration.settings.state == tmp_path / "breakwater-state"
    assert configuration.settings.timeouts == default.timeouts
    assert configuration.settings.ledger == default.ledger
    assert configuration.settings.timeouts.drain_s == 65.0
    assert configuration.agents["clerk"].tier == "auto"
    assert configuration.catalogs["shop"] is SHOP
    assert configuration.upstream("shop", "files") == "https://files.shop.example"


def test_durations_and_sizes(tmp_path: Path) -> None:
    """Durations become seconds and sizes bytes."""
    text = GOOD + "timeouts: {connect: 250ms, read_total: 1h}\nlimits: {body_bytes_max: 2MiB}\n"
    settings = loaded(tmp_path, text).settings
    assert (settings.timeouts.connect_s, settings.timeouts.read_total_s) == (0.25, 3600.0)
    assert settings.limits.body_bytes_max == 2 * 2**20


def test_doors(tmp_path: Path) -> None:
    """A base listens where its door says, spelled in full or not, and else at a free loopback port."""
    free = Address("127.0.0.1", 0)
    assert loaded(tmp_path, GOOD).doors() == {("shop", "api"): free, ("shop", "files"): free}
    written = loaded(tmp_path, GOOD + 'doors: {shop.api: "127.0.0.1:81", shop.files: "[::1]:0"}\n')
    assert written.doors() == {("shop", "api"): Address("127.0.0.1", 81), ("shop", "files"): Address("::1", 0)}
    assert set(written.settings.doors) == {"shop", "shop.files"}


def test_sockets(tmp_path: Path) -> None:
    """A socket's path is relative to the file, whichever door or upstream it is for; the digest knows no folder."""
    text = GOOD.replace("catalog: shop", "catalog: shop\n    upstream: unix:up.sock")
    text += "doors: {shop: unix:run/../shop.sock, shop.files: unix:/run/files.sock}\nadmin: unix:admin.sock\n"
    written = loaded(tmp_path, text + "shared: unix:all.sock\n")
    assert written.doors()["shop", "api"] == UnixSocket(f"{tmp_path}/shop.sock")
    assert written.doors()["shop", "files"] == UnixSocket("/run/files.sock")
    assert written.settings.admin == UnixSocket(f"{tmp_path}/admin.sock")
    assert written.settings.shared == UnixSocket(f"{tmp_path}/all.sock")
    assert written.upstream("shop", "files") == f"unix:{tmp_path}/up.sock"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert loaded(elsewhere, text + "shared: unix:all.sock\n").version == written.version


def test_hosts(tmp_path: Path) -> None:
    """A host leads to a door under the door's one name."""
    written = loaded(tmp_path, GOOD + "shared: 127.0.0.1:0\nhosts: {a.internal: shop.api, b.internal: shop.files}\n")
    assert written.settings.hosts == {"a.internal": "shop", "b.internal": "shop.files"}


def test_aliases(tmp_path: Path) -> None:
    """Aliases are a list for every base, or one for each."""
    for spelled, wanted in (
        ("[https://a.example]", {"*": 1}),
        ("{files: [https://b.example, http://c.example]}", {"files": 2}),
    ):
        account = loaded(tmp_path, GOOD.replace("catalog: shop", f"catalog: shop\n    aliases: {spelled}")).apis["shop"]
        assert {base: len(origins) for base, origins in account.aliases.items()} == wanted


@pytest.mark.parametrize(
    ("upstream", "api", "files"),
    [
        ("http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9"),
        ("{files: http://127.0.0.1:9}", "https://api.shop.example", "http://127.0.0.1:9"),
        ("null", "https://api.shop.example", "https://files.shop.example"),
    ],
)
def test_upstreams(tmp_path: Path, upstream: str, api: str, files: str) -> None:
    """One origin stands for every base, a mapping for the bases that it names, the catalogue for the rest."""
    configuration = loaded(tmp_path, GOOD.replace("catalog: shop", f"catalog: shop\n    upstream: {upstream}"))
    assert configuration.apis["shop"].origins(SHOP.dialect.origins) == {"api": api, "files": files}


def test_credential_file(tmp_path: Path) -> None:
    """A credential's file is found beside the configuration."""
    configuration = loaded(tmp_path, GOOD.replace("{env: SHOP_KEY}", "{file: secrets/shop}"))
    assert configuration.apis["shop"].credential.file == tmp_path / "secrets/shop"


def test_rules(tmp_path: Path) -> None:
    """A rule's values are tuples, its limits exact ranges, and an alternative spelling of a header is one header."""
    rule = "refunds.create: {only: {charge: [a, b], urgent: true}, limit: {amount: 0.50..100 USD, ratio: 0.1..0.2}}"
    text = GOOD.replace("charges.*: {}", rule) + "    headers: {Shop-Account: [acct_1]}\n"
    card = loaded(tmp_path, text).agents["clerk"]
    read = card.allow["shop"]["refunds.create"]
    assert read.only == {"charge": ("a", "b"), "urgent": (True,)}
    assert read.limit["amount"] == MoneyRange(Money.parse("0.50 USD"), Money.parse("100 USD"))
    assert str(read.limit["ratio"]) == "0.1..0.2"
    assert card.headers == {"shop-account": ("acct_1",)}


def test_frozen(tmp_path: Path) -> None:
    """Nothing of a configuration can change after it was read."""
    configuration = loaded(tmp_path, GOOD)
    card = configuration.agents["clerk"]
    for mapping in (configuration.apis, configuration.agents, card.allow, card.allow["shop"], card.deny):
        with pytest.raises(TypeError):
            cast("MutableMapping[str, object]", mapping)["more"] = None
    with pytest.raises(ValueError, match="frozen"):
        card.purpose = "other"  # type: ignore[misc]


def test_version(tmp_path: Path) -> None:
    """The version follows the meaning: not comments, order or place, but any setting, card or catalogue."""
    version = loaded(tmp_path, GOOD).version
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    same = "# why\n" + GOOD.replace("environment: test", "environment: test\n    tier: auto")
    assert loaded(elsewhere, same).version == version
    changed = [
        GOOD.replace("charges.*: {}", "charges.list: {}"),
        GOOD.replace("charges.*: {}", "charges.list: {only: {limit: 1}}"),
        GOOD.replace("charges.*: {}", "charges.list: {limit: {limit: 1..2}}"),
        GOOD + "timeouts: {look: 3s}\n",
        GOOD.replace("SHOP_KEY", "OTHER_KEY"),
        GOOD.replace("catalog: shop", "catalog: site\n    upstream: https://x.example").replace(
            "charges.*", "issues.*"
        ),
    ]
    assert len({version, *(loaded(tmp_path, text).version for text in changed)}) == len(changed) + 1
    assert len(version) == 64


def test_folder(tmp_path: Path) -> None:
    """A folder's files are one configuration: agents of two files join, and what is not YAML is not read."""
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yml").write_text(CARD.format("other") + "state: kept\n")
    (tmp_path / "notes.txt").write_text("{{{")
    (tmp_path / ".hidden.yaml").write_text("{{{")
    configuration = load(tmp_path, open_catalog)
    assert set(configuration.agents) == {"clerk", "other"}
    assert configuration.settings.state == tmp_path / "kept"


def test_folder_version(tmp_path: Path) -> None:
    """How a configuration is cut into files does not change its version."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (one / "a.yaml").write_text(GOOD)
    apis, agents = GOOD.split("agents:")
    (two / "a.yaml").write_text(apis)
    (two / "b.yaml").write_text("agents:" + agents)
    assert load(one, open_catalog).version == load(two, open_catalog).version


def test_two_files_one_key(tmp_path: Path) -> None:
    """A key in two files is a fault at the second that names the first; a fault names its own file."""
    (tmp_path / "a.yaml").write_text(GOOD + "state: x\n")
    (tmp_path / "b.yaml").write_text("state: y\n" + CARD.format("clerk") + "    zone: UTC\n")
    (tmp_path / "c.yaml").write_text(CARD.format("third") + "    zone: UTC\n")
    found = [(Path(fault.file).name, fault.line, fault.column, fault.message) for fault in faults(tmp_path)]
    assert found == [
        ("b.yaml", 1, 1, "`state` stands in two files"),
        ("b.yaml", 3, 3, "`clerk` stands in two files"),
        ("c.yaml", 5, 5, "`zone` is unknown here"),
    ]


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_unreadable_place(tmp_path: Path, name: str) -> None:
    """A path that is not there, and a folder without YAML, are one fault each, with a hint."""
    (fault,) = faults(tmp_path / name)
    assert (fault.line, fault.column) == (0, 0)
    assert fault.hint
    assert fault.place == str(tmp_path / name)


def test_one_exception_for_all(tmp_path: Path) -> None:
    """Every fault of every section is in one exception, in the order of the lines."""
    text = "state: 5\n" + GOOD.replace("shop:\n    catalog", "shop:\n    catalgo").replace("purpose", "porpose")
    with pytest.raises(ConfigurationFault) as broken:
        loaded(tmp_path, text)
    assert [fault.line for fault in broken.value.faults] == [1, 3, 4, 7, 8]
    assert str(broken.value).count("\n") == 4


def test_argument_names() -> None:
    """A name means its argument wherever it is declared, and with a prefix in that place only."""
    move = SHOP.operations["refunds.move"]
    assert [argument.place.value for argument in arguments_named(move, "charge")] == ["path", "body"]
    assert [argument.place.value for argument in arguments_named(move, "body.charge")] == ["body"]
    assert arguments_named(move, "query.charge") == ()
    assert (bare_name("path.charge"), bare_name("charge"), bare_name("other.charge")) == (
        "charge",
        "charge",
        "other.charge",
    )


def test_api_without_default_origin() -> None:
    """A base that neither the account nor the catalogue can place is left out."""
    account = ApiAccount.model_validate({"catalog": "site", "credential": {"env": "X"}})
    assert account.origins({"api": None}) == {}
