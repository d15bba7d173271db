"""What Redis refuses: each in a sentence, asked once, and looked for elsewhere where that says so."""

from __future__ import annotations

import pytest

from breakers.store import pool, redis
from breakers.store.protocol import StoreUnavailable
from tests.link.fake import ID, Fake, Words, echo, faking, info, linked

# the error, part of its sentence, whether another server is to be trusted first, whether the connection is used again
TABLE: dict[str, tuple[str, str, bool, bool]] = {
    "READONLY": ("READONLY You can't write against a read only replica.", "a replica now", True, False),
    "LOADING": ("LOADING Redis is loading the dataset in memory", "loading its data", False, False),
    "OOM": ("OOM command not allowed when used memory > 'maxmemory'.", "raise its maxmemory", False, True),
    "OOM in a script": (
        "ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -OOM command not allowed",
        "raise its maxmemory",
        *(False, True),
    ),
    "READONLY in a script": (
        "ERR Error running script (call to f_1): @user_script:9: -READONLY You can't write against a replica.",
        "a replica now",
        *(True, False),
    ),
    "NOSCRIPT": ("NOSCRIPT No matching script. Please use EVAL.", "does not keep the scripts", False, True),
    "MOVED": ("MOVED 3999 10.9.8.7:6381", "on another node of the cluster", True, False),
    "ASK": ("ASK 3999 10.9.8.7:6381", "on their way", False, False),
    "TRYAGAIN": ("TRYAGAIN Multiple keys request during rehashing of slot", "on their way", False, False),
    "BUSY": ("BUSY Redis is busy running a script. You can only call SCRIPT KILL", "`SCRIPT KILL`", False, True),
    "WRONGTYPE": ("WRONGTYPE Operation against a key holding the wrong kind", "Breakwater never wrote", False, True),
    "NOAUTH": ("NOAUTH Authentication required.", "`store_password`", False, False),
    "NOPERM": ("NOPERM this user has no permissions to run the 'get' command", "docs/FLEET.md", False, True),
    "MASTERDOWN": ("MASTERDOWN Link with MASTER is down", "lost its primary", True, False),
    "CLUSTERDOWN": ("CLUSTERDOWN The cluster is down", "the cluster serves nothing", False, False),
    "NOREPLICAS": ("NOREPLICAS Not enough good replicas to write.", "too few replicas", False, True),
    "MISCONF": ("MISCONF Redis is configured to save RDB snapshots", "save to its disk", False, True),
    "DENIED": ("DENIED Redis is running in protected mode", "protected mode", False, True),
    "no client more": ("ERR max number of clients reached", "maxclients", False, False),
    "unknown": ("NEWCODE secret-10.9.8.7", "(NEWCODE)", False, True),
    "without a code": ("something secret-10.9.8.7", "(ERR)", False, True),
}


@pytest.mark.parametrize("verb", ["run", "ask"])
@pytest.mark.parametrize("what", TABLE)
async def test_refused(what: str, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is one sentence without the server's own words, and the command is not made again by itself."""
    monkeypatch.setattr(pool, "PAUSE_S", 0.0)
    monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 10.0)
    said, part, moves, is_kept = TABLE[what]
    async with faking(lambda _: f"-{said}\r\n".encode()) as fake, linked(fake) as link:
        link.trust(ID)
        for _ in range(2):
            with pytest.raises(StoreUnavailable) as caught:
                await (link.run("facts", ["k"], "a") if verb == "run" else link.ask("GET", "k"))
            assert part in str(caught.value) or (moves and "another Redis answers" in str(caught.value))
            assert "10.9.8.7" not in str(caught.value)
        # A script that is not known is told whole, once; what says that another has the keys is asked nothing more.
        times = (1 if moves else 2) * (2 if what == "NOSCRIPT" and verb == "run" else 1)
        assert [len(fake.seen), link.moved, fake.dialled] == [times, moves, 1 if is_kept or moves else 2]
        fake.says = echo
        link.trust(ID)
        assert await link.ask("GET", "k") == b"k"


async def test_learns_script(fake_peer: Fake) -> None:
    """A script that the server does not know is told whole over the same connection, because it surely did not run."""

    def says(words: Words) -> bytes:
        return b"-NOSCRIPT No matching script.\r\n" if words[0] == b"EVALSHA" else b":1\r\n"

    fake_peer.says = says
    link = fake_peer.link()
    assert await link.run("facts", ["k"], "a") == 1
    assert [words[0] for words in fake_peer.seen] == [b"EVALSHA", b"EVAL"]
    assert fake_peer.dialled == 1
    await link.close()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"redis_version": "6.0.16"}, "this Redis is 6.0, and 6.2 is the oldest"),
        ({"redis_version": "5.0"}, "this Redis is 5.0"),
        ({"loading": "1"}, "loading its data"),
        ({"role": "slave"}, "a replica and takes no writes"),
        ({"run_id": ""}, "does not speak the protocol"),
        ({"redis_version": "x"}, "does not speak the protocol"),
    ],
)
async def test_unfit(fake_peer: Fake, said: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that will not do is asked nothing, and it is said why."""
    monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 10.0)
    fake_peer.told = lambda: info(**said)
    link = fake_peer.link()
    for asked in (link.ask("GET", "k"), link.run("facts", ["k"], "a"), link.look(), link.server()):
        with pytest.raises(StoreUnavailable, match=why):
            await asked
    assert (fake_peer.seen, link.moved) == ([], False)
    await link.close()


@pytest.mark.parametrize("version", ["6.2.0", "7.4.1", "8.0.0", "10.0.0"])
async def test_fit(fake_peer: Fake, version: str) -> None:
    """From 6.2 on every version will do."""
    fake_peer.told = lambda: info(redis_version=version, evicted_keys="7")
    link = fake_peer.link()
    server = await link.look()
    assert (await link.server(), server.version, server.evicted) == (server.id, version, 7)
    await link.close()
