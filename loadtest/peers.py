"""
Other proxies on the same road in the same run, for orientation: each in an environment of its own, none of them ours.

A peer only passes the read on; what it costs says what others pay for less or for something else. Packages are
installed once, at pinned versions, into a folder that `make clean` removes; programs are those on PATH. One that cannot
be had, or does not answer, is absent, and the run says why.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from loadtest.bench import CREDENTIAL, Bench
from loadtest.framing import MalformedError, whole_answer
from loadtest.installation import STOP_S, environment
from loadtest.processes import ended, on
from loadtest.roads import Road
from loadtest.scenario import OPERATIONS, READ, request

# Minutes, on a machine that has to fetch hundreds of packages first.
INSTALL_S = 900.0

# The slowest of them reads a megabyte of its own Python first.
READY_S = 90.0

_STEP_S = 0.1

# A peer calls nobody but the upstream: by default LiteLLM fetches a list of prices when it starts, and has one with it.
AT_HOME = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}


@dataclass(frozen=True, slots=True)
class Peer:
    """
    One other proxy: `package` is what it is installed from, or None where it is looked for on PATH; `command` returns
    its arguments, given a folder, the upstream and a port, and writes what it is configured by.
    """

    name: str
    program: str
    package: str | None
    command: Callable[[Path, str, int], Sequence[str]]


class AbsentError(Exception):
    """
    A peer cannot be had, in a sentence.
    """


def _mitmproxy(folder: Path, upstream: str, port: int) -> Sequence[str]:
    listen = ("--listen-host", "127.0.0.1", "--listen-port", str(port))
    return ("--quiet", "--mode", f"reverse:{upstream}", "--set", f"confdir={folder}", *listen)


def _litellm(folder: Path, upstream: str, port: int) -> Sequence[str]:
    target = OPERATIONS[READ].target
    passed = {"path": target, "target": upstream + target, "headers": {"Authorization": f"Bearer {CREDENTIAL}"}}
    written = folder / "litellm.yaml"
    # JSON is YAML too.
    written.write_text(json.dumps({"model_list": [], "general_settings": {"pass_through_endpoints": [passed]}}))
    return ("--config", str(written), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")


def _nginx(folder: Path, upstream: str, port: int) -> Sequence[str]:
    written = folder / "nginx.conf"
    written.write_text(
        f"""daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream api {{ server {urlsplit(upstream).netloc}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    keepalive_requests 1000000;
    location / {{ proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
""",
        encoding="utf-8",
    )
    return ("-p", str(folder), "-c", str(written))


def _haproxy(folder: Path, upstream: str, port: int) -> Sequence[str]:
    written = folder / "haproxy.cfg"
    written.write_text(
        f"""global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
listen api
  bind 127.0.0.1:{port}
  server api {urlsplit(upstream).netloc}
""",
        encoding="utf-8",
    )
    return ("-db", "-f", str(written))


PEERS: tuple[Peer, ...] = (
    Peer("mitmproxy", "mitmdump", "mitmproxy==11.0.2", _mitmproxy),
    Peer("litellm", "litellm", "litellm[proxy]==1.86.7", _litellm),
    Peer("nginx", "nginx", None, _nginx),
    Peer("haproxy", "haproxy", None, _haproxy),
)


def started(bench: Bench, upstream: str, peers: Sequence[Peer] = PEERS) -> tuple[list[Road], dict[str, str]]:
    """
    Start every peer that can be had, and return the names of the others with why they cannot.
    """
    roads, absent = list[Road](), dict[str, str]()
    for peer in peers:
        try:
            roads.append(_started(bench, peer, upstream))
        except AbsentError as why:
            absent[peer.name] = str(why)
            bench.say(f"{peer.name} is absent: {why}")
    return roads, absent


def _started(bench: Bench, peer: Peer, upstream: str) -> Road:
    assert bench.peers is not None
    program = found(peer, bench.peers, bench.say)
    folder = bench.folder / peer.name
    folder.mkdir()
    port = _free_port()
    log = bench.folder / f"{peer.name}.log"
    with on(bench.cores.subject):
        process = bench.enter(_running([str(program), *peer.command(folder, upstream, port)], folder, log))
    road = Road(peer.name, f"http://127.0.0.1:{port}", CREDENTIAL, process.pid)
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        if answers(port):
            return road
        time.sleep(_STEP_S)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise AbsentError(f"it does not answer: {said[-1][:200] if said else 'it said nothing'}")


def found(peer: Peer, environments: Path, say: Callable[[str], None]) -> Path:
    """
    Return a peer's program, installing it first where it comes from a package; raise `AbsentError` where there is none.
    """
    if peer.package is None:
        on_path = shutil.which(peer.program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if on_path is None:
            raise AbsentError(f"no {peer.program} on PATH")
        return Path(on_path)
    home = environments / peer.name
    ready = home / ".ready"
    if not ready.exists() or ready.read_text(encoding="utf-8") != peer.package:
        say(f"installing {peer.package}")
        _install(home, peer.package)
        ready.write_text(peer.package, encoding="utf-8")
    return home / "bin" / peer.program


def _install(home: Path, package: str) -> None:
    shutil.rmtree(home, ignore_errors=True)
    for command in (
        [sys.executable, "-m", "venv", str(home)],
        [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input", package],
    ):
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AbsentError(f"{package} cannot be installed: {error}") from None
        if ended.returncode:
            said = [line for line in ended.stderr.splitlines() if not line.startswith("WARNING")]
            raise AbsentError(f"{package} cannot be installed: {(said or ['pip said nothing'])[-1][:200]}")


@contextmanager
def _running(command: Sequence[str], folder: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as said:
        process = subprocess.Popen(
            command, env=environment(folder, AT_HOME), cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    with ended(process):
        yield process


def answers(port: int) -> bool:
    """
    Tell whether a read is answered with 200 there.
    """
    asked, data = request(OPERATIONS[READ], f"127.0.0.1:{port}", CREDENTIAL).at(0), b""
    try:
        with socket.create_connection(("127.0.0.1", port), STOP_S) as connection:
            connection.sendall(asked)
            while (answered := whole_answer(data)) is None:
                if not (piece := connection.recv(65536)):
                    return False
                data += piece
    except (OSError, MalformedError):
        return False
    return answered.status == 200


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
