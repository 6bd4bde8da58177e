#!/usr/bin/env bash
# Install the system parts that some tests use, with Debian's package manager.
# Asks for nothing when all are there, so that it works without a network then.
set -euo pipefail

packages=(ca-certificates chromium curl git git-lfs postgresql python3-venv)

if ! command -v apt-get >/dev/null; then
    echo "This is not Debian or Ubuntu; install what corresponds to: ${packages[*]}" >&2
    exit 1
fi
missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "All system parts are there: ${packages[*]}"
    exit 0
fi

root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        printf 'This needs root. As root, run:\n\n    apt-get update && apt-get install -y %s\n\n' "${missing[*]}" >&2
        exit 1
    fi
    root=(sudo)
fi
echo "Installing ${missing[*]} ..."
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
