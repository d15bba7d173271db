"""
The demo: an agent works through the vendor's own SDK, Breakwater stands in front of a sandbox, a scene is a line.

Each scene says what must come out and fails the run if anything else does. Everything that is started is stopped, and
the one folder that it all lives in, inside the checkout, is removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import stripe

from loadtest.installation import ROOT, STOP_S, Breakwater, NotStartedError, agent, environment, stripe_api

AGENT = "refund_agent"
SECRET = "demo-upstream-secret"
CARD = agent(
    {
        "stripe": {
            "customers.retrieve": {},
            "charges.retrieve": {},
            "refunds.create": {"limit": {"amount": "0.50..100 USD"}},
        }
    }
)


class UnexpectedError(Exception):
    """
    A scene did not come out as it must.
    """


@dataclass(frozen=True, slots=True)
class Stage:
    """
    What the scenes share: the installation, the agent's SDK, the sandbox, and what a shop did there before.
    """

    breakwater: Breakwater
    sdk: stripe.StripeClient
    sandbox: str
    customer: str
    charge: str

    def effects(self) -> dict[str, int]:
        """
        Return how often each effect happened at the sandbox.
        """
        with _opener().open(f"{self.sandbox}/_sandbox/effects", timeout=STOP_S) as answer:
            counted: dict[str, int] = json.load(answer)["effects"]
        return counted


@dataclass(frozen=True, slots=True)
class Shown:
    """
    How a scene came out: one sentence, and the id of its call where it has one.
    """

    sentence: str
    call: str = ""


def expect(held: object, what: str) -> None:
    """
    Raise unless a scene's promise held.
    """
    if not held:
        raise UnexpectedError(what)


# ----------------------------------------------------------------------------------------------------------- the scenes


def a_read_passes(stage: Stage) -> Shown:
    """
    Read a customer.
    """
    customer = stage.sdk.v1.customers.retrieve(stage.customer)
    expect(customer.email == "ada@shop.test", f"read {customer.email}")
    return Shown(f"{customer.id} is {customer.email}", _call(customer.last_response))


def a_refund_passes(stage: Stage) -> Shown:
    """
    Refund 25 of 180 USD, and find the call in the ledger.
    """
    refund = stage.sdk.v1.refunds.create({"charge": stage.charge, "amount": 2500})
    call = _call(refund.last_response)
    expect((refund.amount, refund.status) == (2500, "succeeded"), f"refunded {refund.amount}: {refund.status}")
    expect(stage.effects().get("refund.created") == 1, f"the sandbox counts {stage.effects()}")
    shown = stage.breakwater.cli("ledger", "show", call, "--json")
    expect(shown.code == 0, shown.err)
    for word in (call, "refunds.create", AGENT):
        expect(word in shown.out, f"the record of {call} does not name {word}")
    return Shown(f"{refund.id} gave back 25.00 USD; the ledger has it", call)


def a_large_refund_is_refused(stage: Stage) -> Shown:
    """
    Ask for 150 USD where 100 is the limit.
    """
    sentence, call = _refused(
        lambda: stage.sdk.v1.refunds.create({"charge": stage.charge, "amount": 15000}), "limit-exceeded"
    )
    expect(stage.effects().get("refund.created") == 1, f"the sandbox counts {stage.effects()}")
    return Shown(f"stripe.PermissionError: {sentence}", call)


def an_unlisted_operation_is_refused(stage: Stage) -> Shown:
    """
    Delete a customer, which is not on the card.
    """
    sentence, call = _refused(lambda: stage.sdk.v1.customers.delete(stage.customer), "not-allowed")
    expect("customer.deleted" not in stage.effects(), f"the sandbox counts {stage.effects()}")
    return Shown(f"stripe.PermissionError: {sentence}", call)


def the_ledger_verifies(stage: Stage) -> Shown:
    """
    Stop, verify what was written, flip one bit of it, and verify again.
    """
    expect(stage.breakwater.terminate() == 0, "serve did not stop cleanly")
    whole = stage.breakwater.cli("ledger", "verify", "--json")
    expect(whole.code == 0, f"a whole ledger does not verify: {whole.out}{whole.err}")
    segment = max(stage.breakwater.state.glob("ledger/*/seg-*.bwl"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    broken = stage.breakwater.cli("ledger", "verify", "--json")
    expect(broken.code == 1, f"a flipped byte verifies: {broken.out}{broken.err}")
    expect("tampered" in broken.out, f"a flipped byte is found to be {broken.out}{broken.err}")
    return Shown(f"whole: exit 0; byte {len(data) // 2} of {segment.name} flipped: exit 1, tampered")


SCENES: tuple[tuple[str, Callable[[Stage], Shown]], ...] = (
    ("a read passes", a_read_passes),
    ("a refund inside its limit passes and is on record", a_refund_passes),
    ("a refund over the limit is refused", a_large_refund_is_refused),
    ("an operation off the allowlist is refused", an_unlisted_operation_is_refused),
    ("the ledger verifies; one flipped byte does not", the_ledger_verifies),
)


def _call(answer: Any) -> str:
    call = {name.lower(): value for name, value in answer.headers.items()}.get("breakwater-call", "")
    expect(call, "the answer names no call")
    return str(call)


def _refused(attempt: Callable[[], object], reason: str) -> tuple[str, str]:
    try:
        attempt()
    except stripe.PermissionError as error:
        expect(error.code == reason or reason in str(error.json_body), f"refused as {error.json_body}")
        sentence = error.user_message or ""
        expect(sentence.startswith("Nothing was sent"), f"the SDK says: {sentence}")
        return sentence, _call(error)
    raise UnexpectedError("it was not refused")


# ------------------------------------------------------------------------------------------------------------ the stage


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """
    Make a folder in the checkout for everything, this process's home included, and remove it.
    """
    # `.tmp/` is ignored by git and emptied by `make clean`, should this process be killed outright.
    room = ROOT / ".tmp"
    room.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="demo-", dir=room))
    before = dict(os.environ)
    os.environ.update({"HOME": str(made), "NO_PROXY": "127.0.0.1"})
    try:
        yield made
    finally:
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def sandbox(home: Path) -> Iterator[str]:
    """
    Run the sandbox as a process and give its address.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "loadtest.upstreams.stripe"],
        env=environment(home, {"STRIPE_SECRET": SECRET}),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                raise NotStartedError("the sandbox did not start")
            yield json.loads(line)["url"]
        finally:
            process.terminate()
            process.wait(STOP_S)


@contextlib.contextmanager
def client(url: str, key: str) -> Iterator[stripe.StripeClient]:
    """
    Point the vendor's SDK at an address.
    """
    http = stripe.RequestsClient()
    addresses = {"api": url, "connect": url, "files": url, "meter_events": url}
    try:
        yield stripe.StripeClient(key, base_addresses=addresses, http_client=http)  # type: ignore[arg-type]
    finally:
        http.close()  # type: ignore[no-untyped-call]


def sell(url: str) -> tuple[str, str]:
    """
    Be the shop: sell something for 180 USD with the real key, without Breakwater; return customer and charge.
    """
    with client(url, SECRET) as shop:
        customer = shop.v1.customers.create({"email": "ada@shop.test", "name": "Ada"})
        payment = shop.v1.payment_intents.create(
            {
                "amount": 18000,
                "currency": "usd",
                "customer": customer.id,
                "payment_method": "pm_card_visa",
                "confirm": True,
            }
        )
        return customer.id, str(payment.latest_charge)


@contextlib.contextmanager
def build() -> Iterator[Stage]:
    """
    Start the sandbox and Breakwater, mint the agent's key, hand it the SDK; stop everything after.
    """
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        url = stack.enter_context(sandbox(home))
        customer, charge = sell(url)
        document = {"apis": {"stripe": stripe_api(url)}, "agents": {AGENT: CARD}}
        breakwater = Breakwater(home / "breakwater", document, {"STRIPE_SECRET": SECRET})
        key = breakwater.mint(AGENT)
        stack.callback(breakwater.terminate)
        breakwater.start()
        sdk = stack.enter_context(client(breakwater.doors["stripe"], key))
        yield Stage(breakwater, sdk, url, customer, charge)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _stop(*_: object) -> NoReturn:
    # An ordinary exit, so that everything that was started is stopped on the way out.
    sys.exit(1)


def main() -> int:
    """
    Play every scene in order; return 0 only if each came out as expected.
    """
    signal.signal(signal.SIGTERM, _stop)
    stripe.enable_telemetry = False
    try:
        with build() as stage:
            for number, (title, scene) in enumerate(SCENES, 1):
                shown = scene(stage)
                print(f"{number}  {title} · {shown.call or 'no call'}\n   {shown.sentence}", flush=True)
    except (UnexpectedError, NotStartedError, stripe.StripeError) as error:
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(f"all {len(SCENES)} scenes came out as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
