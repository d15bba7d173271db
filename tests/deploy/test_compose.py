"""The compose file, and the Redis that it runs."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from redis.backoff import NoBackoff
from redis.retry import Retry

from loadtest.installation import STOP_S, environment
from tests.canary.forms import secret
from tests.canary.plugin import watch
from tests.deploy.scene import DEPLOY
from tests.deploy.written import configuration, longest_stop_s
from tests.redis_server import TRIES, binary
from tests.starts.installed import free_ports
from tests.tidy.source import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PASSWORD = secret("compose-redis")


@pytest.mark.parametrize(
    ("schema", "file"),
    [("vendor.compose-spec", "compose.yaml"), ("vendor.github-workflows", "ci/github-actions.yaml")],
    ids=["compose", "workflow"],
)
def test_schema(schema: str, file: str, tmp_path: Path) -> None:
    """The file is one by its specification, which is asked without a network; a misspelt member is none."""
    command = Path(sysconfig.get_path("scripts")) / "check-jsonschema"
    assert command.exists(), "check-jsonschema is not installed: run `make lock`"
    misspelt = tmp_path / "misspelt.yaml"
    text = (DEPLOY / file).read_text("utf-8")
    misspelt.write_text(re.sub(r"^(    |  gate:\n    )(image|runs-on):", r"\1\2x:", text, flags=re.MULTILINE), "utf-8")
    words = [str(command), "--builtin-schema", schema, str(DEPLOY / file), str(misspelt)]
    ran = subprocess.run(words, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert f"{misspelt}::$." in ran.stdout
    assert f"{DEPLOY / file}::" not in ran.stdout, ran.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_hardened(name: str) -> None:
    """Each container gives up its capabilities, its root and new privileges, and has bounds."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert service.get("network_mode") is None
    assert {"mem_limit", "pids_limit", "cpus"} <= set(service)
    assert re.fullmatch(r"\S+:[\w.-]+|\$\{AGENT_IMAGE:-your-agent:1\}", service["image"])
    assert not service["image"].endswith(":latest")
    assert [mount for mount in service.get("volumes", ()) if "docker.sock" in str(mount)] == []
    # Breakwater's own image says who it is.
    assert name == "breakwater" or not service["user"].startswith("0")


def test_no_other_road() -> None:
    """An agent is on a network without a way out, whose only other end is Breakwater; nothing is published."""
    closed = {name for name, said in COMPOSE["networks"].items() if said.get("internal")}
    for name in closed:
        network = COMPOSE["networks"][name]
        assert network["driver_opts"] == {"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}
        assert network["enable_ipv6"] is False
    assert set(SERVICES["agent"]["networks"]) == {"agents"} <= closed
    assert {name for name, service in SERVICES.items() if "agents" in service["networks"]} == {"agent", "breakwater"}
    assert {name for name, service in SERVICES.items() if set(service["networks"]) - closed} == {"breakwater"}
    assert [name for name, service in SERVICES.items() if service.get("ports")] == []
    assert "secrets" not in SERVICES["agent"]


def test_configuration(tmp_path: Path) -> None:
    """Breakwater starts with what is mounted: doors for the agents, the operators' door for nobody, secrets by file."""
    service = SERVICES["breakwater"]
    binds = {one["target"]: DEPLOY / one["source"] for one in service["volumes"] if one["type"] == "bind"}
    assert all(path.exists() for path in binds.values())
    loaded = configuration(tmp_path, **{Path(to).stem: path.read_text("utf-8") for to, path in binds.items()})
    settings = loaded.settings
    assert str(settings.admin) == "127.0.0.1:8470"
    assert {str(door) for door in settings.doors.values()} == {f"0.0.0.0:{port}" for port in (8001, 8002, 8003)}
    assert str(settings.state).startswith(next(one["target"] for one in service["volumes"] if one["type"] == "volume"))
    assert service["stop_grace_period"] == "270s"
    assert longest_stop_s(loaded) <= 270
    assert settings.store_password is not None
    files = {str(settings.store_password.file), *(str(api.credential.file) for api in loaded.apis.values())}
    assert files == {f"/run/secrets/{name}" for name in service["secrets"]}
    assert set(service["secrets"]) <= set(COMPOSE["secrets"])
    assert SERVICES["agent"]["environment"]["STRIPE_API_BASE"] == "http://breakwater:8001"


def rules(text: str) -> set[str]:
    """
    Return what an ACL's line allows and forbids.
    """
    return set(re.findall(r"(?<=\s)(?:[+-][\w@|]+|~\S+|resetkeys|resetchannels)", text))


def test_same_acl() -> None:
    """The user that Redis is started with may do what docs/FLEET.md says, and no more."""
    page = (ROOT / "docs" / "FLEET.md").read_text("utf-8")
    written = re.search(r"ACL SETUSER breakwater (.*?)```", page, re.DOTALL)
    assert written is not None
    script = (DEPLOY / "redis" / "start.sh").read_text("utf-8")
    started = re.search(r"rules='(.*?)'", script, re.DOTALL)
    assert started is not None
    assert rules(f" {started[1]}") == rules(written[1])


@contextlib.contextmanager
def started(folder: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """
    Start it as the compose file does; another program may take a free port before it does.
    """
    given = environment(folder)
    given["PATH"] = f"{folder / 'bin'}:{given['PATH']}"
    words = ["sh", str(DEPLOY / "redis" / "start.sh"), str(DEPLOY / "redis" / "redis.conf"), str(folder / "password")]
    for _ in range(TRIES):
        (port,) = free_ports(1)
        with subprocess.Popen(
            [*words, "port", str(port), "bind", "127.0.0.1"],
            cwd=folder,
            env=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            if any("Ready to accept connections" in line for line in process.stdout):
                yield port, process
                return
    raise AssertionError("no Redis could be started")


def test_redis(tmp_path: Path) -> None:
    """The Redis evicts nothing, keeps what it has, lets nobody in but that user, and ends when it is told to."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n", "utf-8")
    watch.may_hold(tmp_path / "password")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-server").symlink_to(binary())
    with started(tmp_path) as (port, process):
        try:
            once = Retry(NoBackoff(), 0)
            stranger = redis.Redis("127.0.0.1", port, retry=once)
            with pytest.raises(redis.AuthenticationError):
                stranger.get("x")
            ours = redis.Redis("127.0.0.1", port, username="breakwater", password=PASSWORD, retry=once)
            assert ours.set("bw:{breakwater}:x", "1")
            for refused in (lambda: ours.set("other", "1"), ours.flushall, lambda: ours.config_get("*")):
                with pytest.raises(redis.ResponseError):
                    refused()
            assert ours.info("memory")["maxmemory_policy"] == "noeviction"
            assert ours.info("persistence")["aof_enabled"] == 1
            assert PASSWORD not in " ".join(Path(f"/proc/{process.pid}/cmdline").read_text("utf-8").split("\0"))
        finally:
            # It is Redis itself that hears it, and not a shell before it.
            process.terminate()
            assert process.wait(STOP_S) == 0
