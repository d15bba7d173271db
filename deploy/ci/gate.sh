#!/bin/sh
# The gate that a change of your cards has to pass: is the configuration whole, do calls get the verdicts that they should,
# and, with a scenario, does Breakwater keep its promises under load with these cards.
#
#   gate.sh [--load SCENARIO] CONFIG TESTS REPORTS
#
# CONFIG is a file or a folder, TESTS a folder of policy tests, SCENARIO a file of the load test (loadtest/example.yaml),
# which is run against CONFIG, whichever configuration it names itself.
# In REPORTS are JUnit's XML and, of the load test, its page. Exits 0 only where all of it is right; the first step that is not
# ends it. BREAKWATER is the program (`breakwater` on PATH); its own Python runs the rest.
set -eu

usage() {
    echo 'usage: gate.sh [--load SCENARIO] CONFIG TESTS REPORTS' >&2
    exit 2
}

scenario=
if [ "${1-}" = --load ]; then
    [ $# -gt 1 ] || usage
    scenario=$2
    shift 2
fi
[ $# -eq 3 ] || usage
config=$1 tests=$2 reports=$3
breakwater=$(command -v "${BREAKWATER:-breakwater}") || {
    echo "error: there is no ${BREAKWATER:-breakwater}" >&2
    echo 'hint: install it, or say where it is in BREAKWATER' >&2
    exit 1
}
python=$(dirname "$breakwater")/python
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$reports"

echo "== the configuration"
"$breakwater" --config "$config" check

echo "== policy tests"
code=0
"$breakwater" --config "$config" test "$tests" --every-rule --json >"$reports/policy-tests.json" || code=$?
# What could not be judged at all has said so above, and there is nothing to publish.
[ -s "$reports/policy-tests.json" ] || exit "$code"
"$python" "$here/junit.py" <"$reports/policy-tests.json" >"$reports/policy-tests.xml" || code=1
[ "$code" -eq 0 ] || exit "$code"

if [ -n "$scenario" ]; then
    echo "== load"
    "$python" -m loadtest --profile ci --scenario "$scenario" --config "$config" --out "$reports/load"
fi
echo "== all of it is right"
