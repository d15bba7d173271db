"""`breakwater kill`: stop a scope, and see that it stopped."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from breakers.stops import ALL, REASON_CHARS_MAX, Mode
from proxy.cli.client import Running, find_running
from proxy.cli.heard import say_unheard
from proxy.cli.replicas import print_replicas
from proxy.cli.say import data, error, shown, table
from proxy.cli.usage import add_command
from proxy.cli.where import add_dir, state_of
from proxy.clock import SystemClock
from proxy.errors import StartRefused
from proxy.killfile import NAME

EPILOG = """\
examples:
  breakwater kill
  breakwater kill --reason "refunds look wrong, OPS-7" --wait
  breakwater kill --scope agent:support_refund_agent --mode suggest
  breakwater kill --scope api:stripe --mode stop-all --abort
  breakwater kill --scope op:stripe:refunds.create
  breakwater kill --drill

Without options every write stops. `suggest` parks writes for an approver,
`stop-all` stops reads, too. Writes under way end and are recorded; --wait waits
for them and prints the proof, --abort cuts them, so that nobody knows how they
ended. Everyone with an operator's token may stop; `breakwater resume` lifts.
Where nothing answers: write `stop-writes` into STATE/KILL, or send SIGUSR1.
"""

STEP_S = 0.1

ORDER_S = 30.0
"""A disk or a store that does not answer is waited for a moment; the stop itself waits for neither."""


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)
    add_scope(parser)
    modes = [str(mode) for mode in Mode if mode is not Mode.RUN]
    parser.add_argument("--mode", choices=modes, default=str(Mode.STOP_WRITES), help="how much stops")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the record and for whoever asks")
    parser.add_argument("--wait", action="store_true", help="until nothing of it is under way, and print the proof")
    parser.add_argument("--abort", action="store_true", help="cut the writes that are under way")
    parser.add_argument("--allow-reconcile", action="store_true", help="under stop-all, still look for writes in doubt")
    parser.add_argument("--drill", action="store_true", help="stop nothing, and say how long that took")
    add_dir(parser)


def add_scope(parser: argparse.ArgumentParser) -> None:
    """
    Take the scope.
    """
    parser.add_argument(
        "--scope", default=ALL, metavar="S", help="all, api:NAME, agent:NAME, task:ID or op:[API:]OPERATION"
    )


def run(args: argparse.Namespace) -> int:
    """
    Stop a scope; return 1 where it is not on record, not told to all, or not confirmed.
    """
    state = state_of(args)
    running = find_running(state)
    if args.drill:
        return _drill(args, _needed(running))
    if running is None:
        return int(args.alone(args))
    body = {
        "scope": args.scope,
        "mode": args.mode,
        "reason": args.reason[:REASON_CHARS_MAX],
        "abort": args.abort,
        "allow_reconcile": args.allow_reconcile,
    }
    try:
        said = running.insist("POST", "/v1/kill", body, within_s=ORDER_S)
    except StartRefused as no:
        raise StartRefused(no.error, no.hint if "door" not in no.error else unanswered(state, running)) from None
    if args.wait:
        said = {**said, **_confirmed(args.scope, running, said)}
    if args.json:
        data(said)
    else:
        print(shown(f"{said['scope']}: {said['mode']}, epoch {said['epoch']}, by {said['by']}"))
        if args.wait:
            print_proof(said)
    return _told(said, wait=args.wait)


def _told(said: dict[str, Any], *, wait: bool) -> int:
    if said["why"]:
        error(f"it is in force in this process, but {said['why']}", "see /readyz and the log")
        return 1
    if wait and not said["confirmed"]:
        error("something of it is still under way", "`breakwater kill --abort` cuts it; `breakwater status` shows it")
        return 1
    return 0


def unanswered(state: Path, running: Running) -> str:
    """
    Return how a process is stopped that does not answer.
    """
    return f"`echo stop-writes > {state / NAME}`, or `kill -USR1 {running.pid}`, stops its writes without its door"


def _confirmed(scope: str, running: Running, said: dict[str, Any]) -> dict[str, Any]:
    """
    Return how it stands once nothing is under way any more, or after the longest that a write may take.
    """
    clock = SystemClock()
    # A process that is silent has stopped by itself a little later.
    fenced_s = float(said["fence"]["after_s"]) + STEP_S if "fence" in said else 0.0
    ends = clock.monotonic() + float(said["within_s"]) + fenced_s
    while True:
        said, unheard = running.look(f"/v1/kill?scope={quote(scope)}")
        proof: dict[str, Any] = said
        if proof["confirmed"] or clock.monotonic() > ends:
            say_unheard(unheard)
            return proof
        time.sleep(STEP_S)


def print_proof(said: dict[str, Any]) -> None:
    """
    Print what proves that a scope has stopped.
    """
    process = said["process"]
    if "replicas" in said:
        print_replicas(said["replicas"])
    else:
        row = [process["log"], process["epoch"], process["applied_at"], len(process["in_flight"])]
        row.append(process["last_dispatch"] or "never")
        table(["process", "epoch", "applied at", "in flight", "last write left"], [row])
    flying = [*process["in_flight"], *(said["elsewhere"] or ())]
    if flying:
        columns = ["intent", "api", "operation", "agent"]
        table(["under way: intent", *columns[1:]], [[one[name] for name in columns] for one in flying])
    print("confirmed: nothing of it is under way" if said["confirmed"] else "not confirmed")


def _drill(args: argparse.Namespace, running: Running) -> int:
    done = running.insist("POST", "/v1/kill/drill", within_s=ORDER_S)
    if args.json:
        data(done)
    else:
        print(f"in force after {done['here_s'] * 1000:.3f} ms, everyone told after {done['told_s'] * 1000:.1f} ms")
    if done["why"]:
        error(f"a stop would not have done all of its way: {done['why']}", "see /readyz and the log")
        return 1
    return 0


def _needed(running: Running | None) -> Running:
    if running is None:
        raise StartRefused("no Breakwater is running on this state folder", "`breakwater serve` starts one")
    return running
