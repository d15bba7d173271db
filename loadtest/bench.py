"""
What a scenario works at: sizes, cores, a folder of its own, and everything that it may start, stopped on the way out.

A *bench* is one scenario's. Upstream, generator and bystanders start on the core beside, whoever is under test on its
own. `between` and `program` belong to whoever tests the load test: what stands between Breakwater and its upstream, and
how Breakwater is run. A load test is worth something only if a fault that is put there makes it fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from loadtest.answering import SECRET, Upstream
from loadtest.installation import PROGRAM, Breakwater, stripe_api
from loadtest.jobs import Generator
from loadtest.processes import Cores, address, on, running
from loadtest.profiles import Profile
from loadtest.results import Result

CREDENTIAL = "load-upstream-secret"
CREDENTIAL_ENV = "STRIPE_SECRET"

T = TypeVar("T")

Between = Callable[[str], AbstractContextManager[str]]
"""From an upstream's address to the one that Breakwater is given for it."""


@dataclass(frozen=True, slots=True)
class Planted:
    """
    What a test of the load test puts in its way; nothing, in a run.
    """

    between: Between = nullcontext
    program: Sequence[str] = PROGRAM


NOTHING = Planted()


class Bench:
    """
    One scenario's bench; what is started stops when it is left, in the opposite order. `peers` is where environments of
    other proxies are, or None where they are not asked for.
    """

    def __init__(
        self,
        profile: Profile,
        folder: Path,
        say: Callable[[str], None],
        cores: Cores,
        planted: Planted = NOTHING,
        peers: Path | None = None,
    ) -> None:
        self.profile, self.folder, self.say, self.cores = profile, folder, say, cores
        self.planted, self.peers = planted, peers
        self._stack = ExitStack()
        self._rooms = 0

    def __repr__(self) -> str:
        return f"<Bench {self.profile.name} {self.folder.name}, {self._rooms} installations>"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, raised, trace)

    def enter(self, context: AbstractContextManager[T]) -> T:
        """
        Enter something that is left when the bench is.
        """
        return self._stack.enter_context(context)

    def later(self, do: Callable[[], object]) -> None:
        """
        Do something when the bench is left.
        """
        self._stack.callback(do)

    def answering(self) -> Upstream:
        """
        Start the upstream that is never what is measured: prepared answers, counted.
        """
        with on(self.cores.beside):
            return Upstream(
                address(self.enter(running(self.folder, "loadtest.answering", secrets={SECRET: CREDENTIAL})))
            )

    def sandbox(self, vendor: str, *arguments: str) -> str:
        """
        Start a vendor's stateful sandbox behind `CREDENTIAL`, and return its address; its door is `/_sandbox/`.
        """
        module, secret = f"loadtest.upstreams.{vendor}", {"LOADTEST_SANDBOX_SECRET": CREDENTIAL}
        given = ("--secret-env", next(iter(secret)), *arguments)
        with on(self.cores.beside):
            return address(self.enter(running(self.folder, module, *given, secrets=secret)))

    def bare(self, upstream: str) -> tuple[str, int]:
        """
        Start the bare proxy in front of an upstream, on the core of who is under test; return its address and its pid.
        """
        with on(self.cores.subject):
            process = self.enter(running(self.folder, "loadtest.bare_proxy", upstream))
        return address(process), process.pid

    def generator(self) -> Generator:
        """
        Start a generator.
        """
        with on(self.cores.beside):
            return Generator(self.enter(running(self.folder, "loadtest.generator")))

    def stripe(self, upstream: str) -> dict[str, object]:
        """
        Return an API account of Stripe's catalogue in front of an upstream, for an installation's document.
        """
        return stripe_api(self.behind(upstream), CREDENTIAL_ENV)

    def behind(self, upstream: str) -> str:
        """
        Return the address that Breakwater is given for an upstream.
        """
        return self.enter(self.planted.between(upstream))

    def breakwater(self, document: Mapping[str, object], secrets: Mapping[str, str] | None = None) -> Breakwater:
        """
        Lay out an installation in a folder of its own; it is not started, and it is terminated in the end.
        """
        self._rooms += 1
        given = {CREDENTIAL_ENV: CREDENTIAL, **(secrets or {})}
        made = Breakwater(self.folder / f"breakwater-{self._rooms}", document, given, program=self.planted.program)
        self._stack.callback(made.terminate)
        return made

    def serve(self, breakwater: Breakwater, *arguments: str) -> None:
        """
        Start an installation on the core of who is under test, and wait until it is ready.
        """
        with on(self.cores.subject):
            breakwater.start(*arguments)


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    One scenario: its name, the question that it answers, how it is run. `profiles` are those that have it, and `needs`
    says why it cannot be run here, or nothing.
    """

    name: str
    question: str
    run: Callable[[Bench], Result]
    profiles: tuple[str, ...] = ("ci", "full")
    needs: Callable[[], str] = str
