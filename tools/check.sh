#!/usr/bin/env bash
# Every check that runs no program: all of them, even after one has failed, so
# that one run names everything there is to mend.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
failed=()

check() { # name, command
    printf '\n== %s\n' "$1"
    "${@:2}" || failed+=("$1")
}
code=(src tests tools)
[ ! -d benchmarks ] || code+=(benchmarks)

check "ruff check" $bin/ruff check .
check "ruff format" $bin/ruff format --check .
check "mypy" $bin/mypy "${code[@]}"
check "import contracts" $bin/lint-imports --no-logo
check "pins" $bin/python tools/check_pins.py
[ ! -d tests/docs ] || check "docs" $bin/python -m pytest -q tests/docs --ignore=tests/docs/test_commands.py

echo
if [ ${#failed[@]} -gt 0 ]; then
    printf 'Failed: %s\n' "$(IFS=,; echo "${failed[*]}" | sed 's/,/, /g')"
    exit 1
fi
echo "Every check passed."
