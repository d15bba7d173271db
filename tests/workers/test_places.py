"""Where a worker stands: its folder, what it shares with the others, what its parent tells it, and who is kept out."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import Configuration, load
from proxy.app import open_credentials
from proxy.dial import Address
from proxy.doors import Door
from proxy.errors import StartRefused
from proxy.ledger.disk import RealDisk, is_locked
from proxy.ledger.layout import ADMIN_TOKEN, KEY_RING, home_of, worker_folder, workers_with_records
from proxy.ledger.state import read_admin_token
from proxy.logline import pieces
from proxy.opening import open_ledger
from proxy.parent import SOCKET, Wanted, admin_doors, locked, refuse_fewer, supervise
from proxy.secret import Secret
from proxy.worker import Orders, Posted, read_orders, shared_by
from tests.canary.forms import secret
from tests.starts.installed import Installed

DISK = RealDisk()


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Installed:
    """
    Give a good installation whose credential is in the vault.
    """
    made = Installed(tmp_path, capsys)
    document = made.document()
    made.write({**document, "apis": {"stripe": {**document["apis"]["stripe"], "credential": {"vault": "stripe"}}}})
    return made


def posted(number: int, shared: Mapping[str, str] = MappingProxyType({})) -> Posted:
    """
    Return the place of a worker whose parent says nothing more.
    """
    ours, theirs = socket.socketpair()
    ours.close()
    theirs.close()
    return Posted(Orders(number, None, {}, "", {}, [], shared), ours)


def as_worker(here: Installed, number: int) -> Configuration:
    """
    Return the configuration as it is for a worker.
    """
    configuration = load(here.config)
    return posted(number, shared_by(configuration.settings)).placed(configuration)


NAMES = st.text("abcdefghijklmnopqrstuvwxyz.", min_size=1, max_size=12)
ADDRESSES = st.tuples(st.sampled_from(["127.0.0.1", "::1", "/run/a.sock"]), st.integers(0, 65_535))


@given(
    number=st.integers(1, 64),
    reason=st.none() | st.text(max_size=20),
    doors=st.dictionaries(NAMES, st.tuples(st.integers(3, 99), st.sampled_from(["", "/run/door.sock"])), max_size=3),
    taken=st.lists(ADDRESSES, max_size=3),
    shared=st.dictionaries(NAMES, NAMES, max_size=3),
)
def test_orders(
    number: int, reason: str | None, doors: dict[str, tuple[int, str]], taken: list[Address], shared: dict[str, str]
) -> None:
    """Orders are one line, and are read as what they were."""
    orders = Orders(number, reason, doors, "/run/admin.sock", {"admin": "http://127.0.0.1:1"}, taken, shared)
    line = orders.spelled()
    assert line.count(b"\n") == 1
    assert read_orders(line) == orders


async def test_shared(here: Installed) -> None:
    """A further worker has a folder and a log of its own, and the ring, the token and the vault of the first."""
    first, second = as_worker(here, 1), as_worker(here, 2)
    state = here.state
    assert (first.settings.state, second.settings.state) == (state, state / "workers" / "2")
    with pytest.raises(StartRefused, match="the key ring is missing"):
        open_ledger(second)
    kept, _ = open_ledger(first)
    ledger, _ = open_ledger(second)
    try:
        assert ledger.ring.key("vault") == kept.ring.key("vault")
        assert ledger.replica != kept.replica
        assert (kept.origin, ledger.origin) == ("breakwater.invalid/local/0/1", "breakwater.invalid/local/0-worker-2/1")
        own = {path.name for path in (state / "workers" / "2").iterdir()}
        assert own & {KEY_RING, ADMIN_TOKEN, "vault"} == set()
        assert read_admin_token(second.settings.state, DISK) == read_admin_token(state, DISK)
        assert workers_with_records(state, DISK) == [2]
    finally:
        await ledger.close("test")
        await kept.close("test")


async def test_vault(here: Installed) -> None:
    """What the first worker seals, turns and destroys the others take when they are told, and change nothing."""
    kept, _ = open_ledger(as_worker(here, 1))
    ledger, _ = open_ledger(as_worker(here, 2))
    turned: list[tuple[str, ...]] = []
    for one in (kept, ledger):
        one.start(asyncio.get_running_loop())
    keeper = open_credentials(as_worker(here, 1), kept)
    follower = open_credentials(
        as_worker(here, 2), ledger, on_change=lambda _, versions: turned.append(tuple(ref for ref, _ in versions))
    )
    try:
        await keeper.put("stripe", Secret(secret("vault")))
        await follower.start()
        await keeper.rotate("stripe", Secret(secret("vault-again")))
        assert turned == [("stripe@1",)]
        await follower.again()
        await keeper.remove("stripe", 1)
        await follower.again()
        assert turned == [("stripe@1",), ("stripe@2", "stripe@1"), ("stripe@2",)]
        with pytest.raises(StartRefused, match="the first worker keeps the vault"):
            await follower.rotate("stripe", Secret(secret("vault-thrice")))
        with pytest.raises(StartRefused, match="the first worker keeps the vault"):
            await follower.remove("stripe", 1)
        assert [version.ref for version in keeper.versions("stripe")] == ["stripe@2"]
    finally:
        await ledger.close("test")
        await kept.close("test")


@pytest.mark.parametrize(
    ("folder", "home"),
    [
        ("state", "state"), ("state/workers/2", "state"), ("state/workers/64", "state"),
        ("state/workers/1", "state/workers/1"), ("state/workers/02", "state/workers/02"),
        ("state/workers/mine", "state/workers/mine"), ("state/others/2", "state/others/2"),
    ],
)  # fmt: skip
def test_homes(folder: str, home: str, tmp_path: Path) -> None:
    """A worker's folder is one by its name; one that has a ring of its own is nobody's."""
    path = tmp_path / folder
    assert home_of(path, DISK) == tmp_path / home
    path.mkdir(parents=True)
    (path / KEY_RING).write_bytes(b"")
    assert home_of(path, DISK) == path


def test_fewer(here: Installed) -> None:
    """Every worker's record is verified, and a start with fewer workers than records is refused."""
    for number in (1, 2, 3):
        asyncio.run(open_ledger(as_worker(here, number))[0].close("test"))
    refuse_fewer(here.state, 3)
    with pytest.raises(StartRefused, match="workers/3 has a record of its own"):
        refuse_fewer(here.state, 2)
    no = here.run("serve")
    assert (no.code, "workers/2 has a record of its own" in no.err) == (1, True)
    whole = here.run("ledger", "verify", "--json")
    assert (whole.code, [one["worker"] for one in json.loads(whole.out)["workers"]]) == (0, [2, 3])
    tail = here.run("ledger", "tail")
    assert (tail.code, "others have records of their own: 2, 3" in tail.err) == (0, True)
    segment = next((here.state / "workers" / "3" / "ledger" / "000001").glob("*.bwl"))
    damaged = bytearray(segment.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    segment.write_bytes(damaged)
    broken = json.loads(here.run("ledger", "verify", "--json").out)
    assert (broken["ok"], [one["ok"] for one in broken["workers"]]) == (False, [True, False])


def test_memory(here: Installed) -> None:
    """Several workers need a store that they share."""
    with pytest.raises(StartRefused, match="several workers share what they know in a Redis"):
        supervise(load(here.config), Wanted(2), {})
    here.write({**here.document(), "workers": 2})
    assert "several workers share what they know in a Redis" in here.run("check").err


def test_kept_out(here: Installed, tmp_path: Path) -> None:
    """A folder with a parent is in use, whether or not its first worker runs, and takes no other parent or process."""
    with locked(here.state):
        assert is_locked(here.state, DISK)
        with pytest.raises(StartRefused, match="another parent has the state folder"), locked(here.state):
            pass
        no = here.run("serve")
        assert (no.code, "a parent of workers has the state folder" in no.err) == (1, True)
    assert not is_locked(here.state, DISK)


def test_by_hand(here: Installed) -> None:
    """A worker that no parent started is refused."""
    no = here.run("serve", "--worker", "2")
    assert (no.code, "a worker is started by its parent" in no.err) == (1, True)


def test_other_doors() -> None:
    """A worker refuses a configuration with other doors than those that its parent has taken."""
    place = posted(2)
    with pytest.raises(StartRefused, match="other doors than the running parent"):
        place.listeners(None, {"stripe": Door("stripe", "stripe", "api")})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "now"), [("store", "memory"), ("store", "redis://other/1"), ("deployment", "other"), ("state", "other")]
)
def test_other_store(name: str, now: str, here: Installed) -> None:
    """A worker that is started later refuses another folder or store than the others have: it would share nothing."""
    shared = {"store": "redis://one/1", "deployment": "one"}
    here.write({**here.document(), **shared})
    began = shared_by(load(here.config).settings)
    here.write({**here.document(), **shared, name: now})
    with pytest.raises(StartRefused, match=f"another `{name}` than the running parent"):
        posted(1, began).placed(load(here.config))


def test_long_path(tmp_path: Path) -> None:
    """A worker's operators' door is in its folder, and where no socket can have that path in one that goes again."""
    with admin_doors(tmp_path, (1, 2)) as doors:
        assert doors == {1: tmp_path / SOCKET, 2: worker_folder(tmp_path, 2) / SOCKET}
    with admin_doors(tmp_path / ("long" * 30), (1, 2)) as doors:
        folder = doors[1].parent
        assert (folder == doors[2].parent, folder.stat().st_mode & 0o777) == (True, 0o700)
    assert not folder.exists()


@given(lines=st.lists(st.integers(0, 5000).map(lambda size: "x" * size + "\n"), max_size=20))
def test_pieces(lines: list[str]) -> None:
    """Lines of several workers do not mix: each piece is whole lines, and no larger than a pipe takes at once."""
    joined = list(pieces(lines))
    assert "".join(joined) == "".join(lines)
    assert all(len(piece) <= 4096 or piece.count("\n") == 1 for piece in joined)
