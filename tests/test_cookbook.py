"""The cookbook and the policy guide tell the truth: every block is loaded, every case has the verdict that it says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from breakers.allowlist import policy_of
from config.cases import Written, read_cases
from config.faults import ConfigurationFault
from config.load import Configuration, load
from proxy.cli import main
from proxy.cli.rehearse import otherwise
from proxy.rehearsal import rehearse
from tests.tidy.source import ROOT

PAGE, GUIDE = ((ROOT / "docs" / name).read_text("utf-8") for name in ("COOKBOOK.md", "POLICIES.md"))

_BLOCK = re.compile(r"^```(?P<said>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{2,3} (?P<title>.+)$", re.MULTILINE)

# Jira has no address of its own; nothing here is dialled.
APIS: Mapping[str, Mapping[str, object]] = {
    name: {"catalog": name, "upstream": "https://api.example.com", "credential": {"env": "CREDENTIAL"}}
    for name in ("stripe", "github", "jira")
}
AGENT = "agent"


@dataclass
class Recipe:
    """
    A card of the page with what belongs to it: files beside it, further sections of the configuration, its cases.
    """

    title: str
    card: str = ""
    top: str = ""
    cases: str = ""
    files: dict[str, str] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)

    def loaded(self, folder: Path) -> Configuration:
        """
        Load it from a folder, as the card of an agent of its own.
        """
        for name, text in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        for name, text in self.documents.items():
            (folder / name).write_text(text, encoding="utf-8")
            table = folder / f"{Path(name).stem}.table.json"
            assert main(["catalog", "import", str(folder / name), "--name", Path(name).stem, "-o", str(table)]) == 0
        top = yaml.safe_load(self.top) or {}
        said = top.get("apis", {})
        apis = {name: {**APIS["jira"], **said.get(name, {})} for name in said} | {
            name: {**api, **said.get(name, {})} for name, api in APIS.items()
        }
        written = {**top, "apis": apis}
        # The card as it stands, so that what is wrong with it is found as it would be.
        head = (
            yaml.safe_dump(json.loads(json.dumps(written)))
            + f"agents:\n  {AGENT}:\n    purpose: Cook\n    environment: test\n"
        )
        indented = "".join(f"    {line}" if line.strip() else line for line in self.card.splitlines(keepends=True))
        (folder / "breakwater.yaml").write_text(head + indented, encoding="utf-8")
        return load(folder / "breakwater.yaml")

    def written(self, folder: Path) -> Sequence[Written]:
        """
        Return its cases.
        """
        table = folder / "cases.yaml"
        indented = "".join(f"  {line}" for line in self.cases.splitlines(keepends=True))
        table.write_text(f"agent: {AGENT}\napi: stripe\ncases:\n{indented}", encoding="utf-8")
        return read_cases(table)


def recipes(page: str) -> list[Recipe]:
    """
    Return the recipes of a page: each begins with its card, or with the sections that stand above its card.
    """
    found: list[Recipe] = []
    pieces = sorted([*_BLOCK.finditer(page), *_HEADING.finditer(page)], key=lambda match: match.start())
    title, top = "", ""
    files: dict[str, str] = {}
    documents: dict[str, str] = {}
    for match in pieces:
        said = match.groupdict().get("said")
        if said is None:
            title = match["title"]
            continue
        match said.split():
            case ["yaml", "top"]:
                top = match["text"]
            case ["yaml", "card"]:
                found.append(Recipe(title, card=match["text"], top=top, files=files, documents=documents))
                top, files, documents = "", {}, {}
            case ["yaml", "document", name]:
                documents[name] = match["text"]
            case ["yaml", "file", name]:
                # Before its card where something above it needs it.
                (files if documents or not found else found[-1].files)[name] = match["text"]
            case ["yaml", "cases"]:
                found[-1].cases += match["text"]
            case ["sh"]:
                # Commands are typed by tests/docs.
                pass
            case _:
                raise AssertionError(f"a block that nobody tries: {said!r} under {title!r}")
    return found


RECIPES = [*recipes(PAGE), *recipes(GUIDE)]
IDS = [f"{number} {recipe.title}" for number, recipe in enumerate(RECIPES)]


@pytest.mark.parametrize("recipe", RECIPES, ids=IDS)
async def test_recipe(recipe: Recipe, tmp_path: Path) -> None:
    """A recipe loads, with the examples of its conditions, and each of its cases has the verdict that it promises."""
    configuration = recipe.loaded(tmp_path)
    policy, written = policy_of(configuration), recipe.written(tmp_path)
    assert {case.case.expect == "forward" for case in written} == {True, False}, (
        "a recipe shows what passes and what not"
    )
    for case in written:
        assert otherwise(case, await rehearse(case, policy, configuration.catalogs)) is None, case.case.case


def test_a_wrong_recipe(tmp_path: Path) -> None:
    """What does not hold is found: a card that does not load, a condition that its examples belie, a wrong verdict."""
    good = next(recipe for recipe in RECIPES if recipe.files)
    for before, after in (("refunds.create", "refunds.creat"), ("4320h", "24h")):
        with pytest.raises(ConfigurationFault):
            Recipe(good.title, card=good.card.replace(before, after), files=good.files).loaded(tmp_path)
    with pytest.raises(AssertionError):
        recipes("## A\n\n```yaml\na: b\n```\n")


def test_every_seed() -> None:
    """The page has a recipe for each thing that conditions, caps, tiers and approvals were made for."""
    titles = {recipe.title for recipe in RECIPES}
    assert titles >= {
        "No chargeback in 180 days",
        "The invoice is open",
        "The assignee is in this team",
        "Business hours in Madrid",
        "So much for a task, so much in a month",
        "Six calls and two cents",
        "The tokens of a model",
        "What nobody can bound",
        "Only under an opened task",
        "Tiers",
        "Over fifty dollars finance says",
        "A second refund that is meant",
    }


def test_every_root() -> None:
    """The page names every root that an expression can read, and every member of those that always have the same."""
    from config.expressions import MEMBERS, ROOTS

    words: set[str] = set(re.findall(r"[A-Za-z_]+", PAGE))
    wanted: set[Any] = {*ROOTS, *(member for members in MEMBERS.values() for member in members)}
    assert wanted <= words
