"""
Load: what Breakwater costs and what it keeps, scenario by scenario, beside a bare proxy in the same run.

Each scenario is named by the question that it answers. What it counts must be right; what it measures is held against
promises, as ratios within one run and as limits.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from config.faults import ConfigurationFault, did_you_mean
from loadtest import own
from loadtest.bench import Scenario
from loadtest.installation import ROOT
from loadtest.processes import choose_cores
from loadtest.profiles import PROFILES
from loadtest.promises import OURS, Promise, read_promises
from loadtest.report import document, junit, markdown, page
from loadtest.report.compare import compare
from loadtest.results import EXITS, Run
from loadtest.running import Runner
from loadtest.scenarios import SCENARIOS
from loadtest.telling import told
from proxy.cli.say import error, faults

USAGE = 2

# Where reports are written, and where other proxies have their environments.
OUT, PEERS = ROOT / ".load", ROOT / ".load" / "peers"

EPILOG = """\
examples:
  python -m loadtest
  python -m loadtest --profile ci --out reports
  python -m loadtest --only throughput --only latency --peers
  python -m loadtest --scenario loadtest/example.yaml
  python -m loadtest --scenario loadtest/example.yaml --config breakwater.yaml
  python -m loadtest compare old/result.json .load/result.json

exit codes: 0 every count is right and every promise that was asked held, 1 one is
not, or a promise of a whole profile was not asked since its scenario was not run,
2 usage, 3 invalid: what was measured was not who is under test, twice in a row.
compare: 0 nothing became worse, 1 something did
"""


def arguments() -> argparse.ArgumentParser:
    """
    Return the parser of the command line.
    """
    parser = argparse.ArgumentParser(
        prog="python -m loadtest",
        description=(__doc__ or "").strip(),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", choices=sorted(PROFILES), default="full", help="how long and how large (full)")
    parser.add_argument("--only", action="append", metavar="NAME", help="run this scenario; may be said again")
    parser.add_argument("--list", action="store_true", help="print the scenarios with their questions, and end")
    parser.add_argument("--peers", action="store_true", help="measure other proxies, too, each in its own environment")
    parser.add_argument(
        "--promises", type=Path, metavar="FILE", help="hold the run against these (loadtest/promises.yaml)"
    )
    parser.add_argument(
        "--scenario", type=Path, metavar="FILE", help="run your own scenario instead, with its promises"
    )
    parser.add_argument(
        "--config", type=Path, metavar="PATH", help="start this configuration for it, whichever its file names"
    )
    parser.add_argument("--allow-remote", action="store_true", help="let it call an address that is not on loopback")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER", help="where reports are written (.load)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def comparing() -> argparse.ArgumentParser:
    """
    Return the parser of `compare`.
    """
    parser = argparse.ArgumentParser(
        prog="python -m loadtest compare",
        description="Say what changed between two results.",
        epilog="example:\n  python -m loadtest compare old/result.json .load/result.json\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", type=Path, help="a result.json")
    parser.add_argument("new", type=Path, help="a later one")
    parser.add_argument("--json", action="store_true", help="print data as JSON")
    return parser


def chosen(only: Sequence[str] | None, profile: str) -> list[Scenario] | None:
    """
    Return the scenarios of a profile, or those that are named whatever the profile; None where there is no such one.
    """
    if not only:
        return [scenario for scenario in SCENARIOS if profile in scenario.profiles]
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    for name in only:
        if name not in by_name:
            error(f"there is no scenario `{name}`", did_you_mean(name, by_name))
            return None
    return [scenario for scenario in SCENARIOS if scenario.name in only]


def written(run: Run, folder: Path) -> None:
    """
    Write every report of a run into a folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {
        "result.json": json.dumps(document.to_json(run), indent=1) + "\n",
        "junit.xml": junit.to_xml(run),
        "report.md": markdown.to_markdown(run),
        "report.html": page.to_html(run),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")


def compared(given: Sequence[str]) -> int:
    """
    Say what changed between two results.
    """
    options = comparing().parse_args(given)
    runs = []
    for path in (options.old, options.new):
        try:
            runs.append(document.read(json.loads(path.read_bytes())))
        except (OSError, ValueError) as found:
            error(f"{path}: {found}", "name a result.json that a run wrote")
            return USAGE
    changes = compare(*runs)
    if options.json:
        print(json.dumps([asdict(change) for change in changes], indent=1))
    else:
        for change in changes:
            print(f"{change.turn:8}{change.what}: {change.old} -> {change.new}")
        if not changes:
            print("nothing changed but noise")
    return int(any(change.turn == "worse" for change in changes))


def planned(options: argparse.Namespace) -> tuple[list[Scenario], list[Promise]] | None:
    """
    Return what is run and what must be true of it; None where that cannot be read, which was said.
    """
    if options.scenario is None and options.config is not None:
        error("--config is started for a scenario of yours, and there is none", "add --scenario FILE")
        return None
    if options.scenario is not None and options.only:
        error("--scenario runs yours, and --only chooses among ours", "say one of them")
        return None
    try:
        if options.scenario is not None:
            scenario, promises = own.read_own(options.scenario, remote=options.allow_remote, config=options.config)
            scenarios: list[Scenario] | None = [scenario]
        else:
            scenarios, promises = chosen(options.only, options.profile), []
        if options.promises is not None or options.scenario is None:
            named = {each.name for each in (*SCENARIOS, *(scenarios or ()))}
            promises += read_promises(options.promises or OURS, named, PROFILES)
    except ConfigurationFault as found:
        faults(found.faults)
        return None
    except OSError as found:
        error(f"{found.filename}: {found.strerror}", "name a file that can be read")
        return None
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as found:
        error(f"{options.out}: {found.strerror}", "name a folder that can be written with --out")
        return None
    return None if scenarios is None else (scenarios, promises)


def _stop(*_: object) -> NoReturn:
    # An ordinary exit, so that everything that was started is stopped on the way out.
    sys.exit(1)


def main(given: Sequence[str] | None = None) -> int:
    """
    Run, write the reports, tell, and return the verdict's exit code.
    """
    given = sys.argv[1:] if given is None else given
    if given[:1] == ["compare"]:
        return compared(given[1:])
    options = arguments().parse_args(given)
    if options.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name:14}{'' if 'ci' in scenario.profiles else '(full) '}{scenario.question}")
        return 0
    plan = planned(options)
    if plan is None:
        return USAGE
    signal.signal(signal.SIGTERM, _stop)
    # Progress is not data: standard output has the result alone.
    say = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    peers = PEERS if options.peers else None
    whole = options.scenario is None and not options.only
    runner = Runner(PROFILES[options.profile], plan[1], say, choose_cores(), peers=peers, whole=whole)
    run = runner.run(plan[0])
    written(run, options.out)
    print(json.dumps(document.to_json(run), indent=1) if options.json else "\n".join(told(run)))
    return EXITS[run.verdict]


if __name__ == "__main__":
    sys.exit(main())
