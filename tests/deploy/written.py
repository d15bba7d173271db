"""The files of deploy/ as whoever reads them takes them: manifests put together, a configuration as its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from config.load import Configuration, load
from proxy.parent import ENDS_WITHIN, GRACE_S
from tests.deploy.scene import DEPLOY

Manifest = dict[str, Any]

UID = 10001


def manifests(folder: Path) -> list[Manifest]:
    """
    Return what `kubectl kustomize` makes of a folder, with ConfigMaps under the names that they are asked for by.
    """
    said = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    assert set(said) <= {
        *("apiVersion", "kind", "namespace", "resources", "configMapGenerator", "generatorOptions"),
    }  # fmt: skip
    found: list[Manifest] = []
    for name in said.get("resources", ()):
        path = (folder / name).resolve()
        found += manifests(path) if path.is_dir() else [*yaml.safe_load_all(path.read_text("utf-8"))]
    for made in said.get("configMapGenerator", ()):
        data = {name: (folder / name).read_text("utf-8") for name in made["files"]}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": made["name"]}, "data": data})
    for one in found:
        if said.get("namespace") and one["kind"] != "Namespace":
            one["metadata"]["namespace"] = said["namespace"]
    return found


def kind(found: list[Manifest], *kinds: str) -> Iterator[Manifest]:
    """
    Yield the manifests of these kinds.
    """
    return (one for one in found if one["kind"] in kinds)


def configuration(folder: Path, **texts: str) -> Configuration:
    """
    Load a configuration from a folder of these files, as the program does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    policy = (DEPLOY / "config" / "policy.yaml").read_text("utf-8")
    for name, text in {"policy": policy, **texts}.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    return load(folder)


def longest_stop_s(loaded: Configuration) -> float:
    """
    Return how long a stop takes at most, also where workers have to be ended by force.
    """
    return ENDS_WITHIN * loaded.settings.timeouts.drain_s + GRACE_S
