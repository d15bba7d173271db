"""A sealed credential stands nowhere in the clear: no file, log, answer, output, record or repr, in no spelling."""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from loadtest.installation import agent
from proxy.cli import main
from proxy.errors import StartRefused
from proxy.secret import Secret
from proxy.vault import Version
from tests.canary.forms import secret
from tests.proxy.road import Road, configured, road
from tests.proxy.scripted import Scripted, answer, scripted
from tests.proxy.sealed import AT, put_here, vault

# With signs that every spelling writes otherwise, and of a length that no base64 group divides.
CANARIES = tuple(secret("sealed", f'/{number}+{number}="&x') for number in range(1, 4))
CARDS = {"support": agent({"stripe": {"customers.*": {}, "refunds.create": {"limit": {"amount": "0.50..100 USD"}}}})}


def spellings(text: str) -> Iterator[bytes]:
    """
    Yield a text in every spelling in which it could have slipped out, base64 at each of its three alignments.
    """
    raw = text.encode()
    yield from (raw, raw[::-1], quote(text, safe="").encode(), json.dumps(text)[1:-1].encode())
    yield from (raw.hex().encode(), raw.hex().upper().encode(), raw.decode().encode("utf-16-le"))
    for before in range(3):
        # Only the groups that no neighbour shares.
        for spelled in (base64.b64encode, base64.urlsafe_b64encode):
            whole = spelled(b"\x00" * before + raw)
            yield whole[4 if before else 0 : len(whole) // 4 * 4 - 4]


NEEDLES = tuple({needle for text in CANARIES for needle in spellings(text)})


def hits(shown: bytes) -> list[bytes]:
    """
    Return the spellings that stand in some bytes.
    """
    return [needle for needle in NEEDLES if needle in shown]


def contents(folder: Path) -> dict[str, bytes]:
    """
    Return every file below a folder.
    """
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_search_finds() -> None:
    """The search is not blind: it finds each spelling in the middle of something."""
    for text in CANARIES:
        raw = text.encode()
        for spelled in (raw, raw.hex().encode(), quote(text, safe="").encode(), base64.b64encode(b"user:" + raw)):
            assert hits(b"before " + spelled + b" after")
    assert not hits(CANARIES[0][:-9].encode())


async def command(folder: Path, *words: str) -> int:
    """
    Run a command beside the process, in a thread of its own.
    """
    return await asyncio.to_thread(main, [*words, "--config", str(folder / "breakwater.yaml")])


async def everything(on: Road, upstream: Scripted, folder: Path) -> list[bytes]:
    """
    Make calls of every kind and rotate between them; return every answer.
    """
    shown = []
    for number, text in enumerate(CANARIES, 1):
        if number > 1:
            (folder / "secret").write_text(text)
            assert await command(folder, "vault", "rotate", "stripe", "--file", str(folder / "secret")) == 0
            (folder / "secret").unlink()
        for status in (200, 401, 500):
            echo = json.dumps({"error": {"message": f"Invalid key {text}"}, "id": "cus_1"}).encode()
            for method in ("GET", "POST"):
                upstream.then(answer(status, echo, f"Request-Id: {text}"))
                shown.append((await on.ask(method, "/v1/customers", form={} if method == "POST" else None)).raw)
        shown.append((await on.ask("POST", "/v1/refunds", form={"charge": "ch_1", "amount": 10**6})).raw)
        shown += [(await on.admin("GET", path)).raw for path in ("/v1/vault", "/v1/status", "/metrics", "/readyz")]
    assert await command(folder, "vault", "list", "--json") == 0
    assert await command(folder, "vault", "rotate", "stripe", "--to", "1", "--json") == 0
    assert await command(folder, "vault", "remove", "stripe", "--version", "2", "--json") == 0
    assert await command(folder, "vault", "remove", "stripe") == 1
    return shown


async def test_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After calls, echoes, failures and rotations no spelling of any version stands anywhere but in what was sent."""
    async with scripted() as upstream:
        await put_here(tmp_path, "stripe", CANARIES[0])
        bases = dict.fromkeys(("api", "files", "meter_events"), upstream.url)
        apis = {"stripe": {"catalog": "stripe", "upstream": bases, "credential": {"vault": "stripe"}}}
        async with road(tmp_path, upstream.url, apis=apis, agents=CARDS, secret=secret("unused")) as on:
            shown = await everything(on, upstream, tmp_path)
            records = [record.entry for record in await on.newest(1000)]
            opened = [await on.opened(call) for call in {entry["call"] for entry in records if "call" in entry}]
            objects = [o for o in gc.get_objects() if str(type(o).__module__).startswith(("proxy", "breakers"))]
            reprs = [repr(o) for o in objects]
        assert {asked.headers["authorization"] for asked in upstream.asked} == {f"Bearer {text}" for text in CANARIES}
    assert hits("".join(asked.headers["authorization"] for asked in upstream.asked).encode())
    assert len(reprs) > 100
    files = contents(tmp_path)
    assert {"stripe@3", "stripe@4", "keyring", "keys.db"} <= {Path(path).name for path in files}
    for place, content in {
        "answers": b"\n".join(shown),
        "records": json.dumps(records).encode(),
        "payloads": json.dumps(opened).encode(),
        "log": str(on.log.lines).encode(),
        "commands": "".join(capsys.readouterr()).encode(),
        "reprs": "\n".join(reprs).encode(),
        **files,
    }.items():
        assert not hits(content), place


REFUSED = (
    ("stripe", f"{CANARIES[0]}\nsecond line"),
    ("stripe", f" {CANARIES[0]} x"),
    ("stripe", f"é{CANARIES[0]}"),
    (CANARIES[0], CANARIES[1]),
)


@pytest.mark.parametrize(("name", "stdin"), REFUSED, ids=["two lines", "a space", "no ASCII", "as the name"])
async def test_not_in_a_refusal(
    name: str, stdin: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that is refused, or was typed where its name should be, is not repeated, in words or in files."""
    configured(tmp_path, {})
    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    assert await command(tmp_path, "vault", "put", name) == 1
    out, err = capsys.readouterr()
    assert err.startswith("error: ")
    assert not hits((out + err).encode())
    assert not any(map(hits, contents(tmp_path).values()))


def test_not_in_an_exception() -> None:
    """What is raised where a file does not open tells nothing of it, nor does its chain."""
    here, version = vault(), Version("stripe", 1)
    here.seal(version, AT, Secret(CANARIES[0]))
    with pytest.raises(StartRefused) as gone:
        here.open(Version("stripe", 2))
    with pytest.raises(FileExistsError) as twice:
        here.seal(version, AT, Secret(CANARIES[0]))
    for raised in (gone.value, twice.value):
        assert not hits("".join(traceback.format_exception(raised)).encode() + repr(raised).encode())
