#!/usr/bin/env bash
# Compile requirements/*.txt from pyproject.toml anew, with hashes for every
# platform. Without arguments versions that still fit stay; arguments go to the
# compiler: --upgrade for all, --upgrade-package NAME for one.
#
# No file names an index: where packages come from is the machine's to say.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(tools/preflight.sh)
tool=.cache/lock
# Its own environment, so that nobody who only uses .venv downloads the compiler.
[ -x $tool/bin/python ] || "$python" -m venv $tool
if grep -qs '^uv==' requirements/lock.txt; then
    $tool/bin/python -m pip install -q --require-hashes --only-binary :all: -r requirements/lock.txt
else
    $tool/bin/python -m pip install -q uv
fi

compile() { # output, then what goes in
    $tool/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --only-binary :all: \
        --no-header --no-emit-index-url --no-emit-find-links --output-file "requirements/$1.new" "${@:2}"
    {
        echo "# Compiled from pyproject.toml by \`make lock\`; not edited by hand."
        cat "requirements/$1.new"
    } >"requirements/$1"
    rm "requirements/$1.new"
    echo "requirements/$1: $(grep -c '^[a-z0-9]' "requirements/$1") packages"
}
# The compiler keeps the pins that it finds in its output file.
for file in dev server lock; do
    [ ! -f requirements/$file.txt ] || grep -v '^# Compiled' requirements/$file.txt >requirements/$file.txt.new
done
# Everything first, so that the smaller ones get the same versions.
compile dev.txt pyproject.toml --extra server --extra demo --extra mlflow --group dev "$@"
compile server.txt pyproject.toml --extra server --constraint requirements/dev.txt "$@"
compile lock.txt --group lock "$@"

if grep -nE '://|--(extra-)?index|--find-links' requirements/*.txt; then
    echo "An address got into the pins; remove it." >&2
    exit 1
fi
