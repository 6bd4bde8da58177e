#!/usr/bin/env bash
# Is what `make` cannot install itself there? If not, name the one line that helps.
#
# Prints the Python to use on standard output; everything for people goes to
# standard error. Exit 1 when something is missing.
#
# usage: tools/preflight.sh [--disk MIB]
set -uo pipefail

need_mib=2048
[ "${1:-}" = --disk ] && need_mib=$2

missing=()  # sentences
packages=() # what Debian calls the parts

works() { # path: 3.11 or newer, of the kinds the pinned wheels exist for
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}
complete() { # path: can make a virtual environment with pip in it (Debian splits these off)
    "$1" -c 'import venv, ensurepip' 2>/dev/null
}

python= incomplete=
for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    # A folder on PATH may hold a shim that only says which versions there are,
    # while the next folder holds a Python that works: so all of them are tried.
    for candidate in $(type -ap "$name"); do
        works "$candidate" || continue
        if complete "$candidate"; then
            python=$candidate
            break 2
        fi
        incomplete=${incomplete:-$candidate}
    done
done
if [ -z "$python" ]; then
    if [ -n "$incomplete" ]; then
        version=$("$incomplete" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        missing+=("$incomplete lacks venv or ensurepip")
        if [ "$incomplete" -ef "$(type -p python3)" ]; then
            packages+=(python3-venv)
        else
            packages+=("python$version-venv")
        fi
    elif [ -n "${PYTHON:-}" ]; then
        missing+=("PYTHON=$PYTHON is not a Python 3.11 to 3.14 that runs")
    else
        missing+=("no Python 3.11 to 3.14 found$(python3 --version 2>/dev/null | sed 's/^/ (python3 is /; s/$/)/')")
        packages+=(python3 python3-venv)
    fi
fi

if ! git=$(git version 2>/dev/null); then
    missing+=("git is not installed (2.36 or newer is needed)")
    packages+=(git)
else
    number=${git#git version }
    major=${number%%.*}
    rest=${number#*.}
    minor=${rest%%.*}
    if [ "$major" -lt 2 ] || { [ "$major" -eq 2 ] && [ "$minor" -lt 36 ]; }; then
        missing+=("git is $number, but 2.36 or newer is needed")
        packages+=(git)
    fi
fi

free_kib=$(df -Pk . | awk 'NR == 2 { print $4 }')
if [ "${free_kib:-0}" -lt $((need_mib * 1024)) ]; then
    missing+=("only $((${free_kib:-0} / 1024)) MiB of disk are free here, but $need_mib are needed: free some space")
fi

if [ ${#missing[@]} -gt 0 ]; then
    printf 'Muster cannot be set up yet:\n' >&2
    printf '  - %s\n' "${missing[@]}" >&2
    if [ ${#packages[@]} -gt 0 ]; then
        sudo=
        [ "$(id -u)" -eq 0 ] || sudo='sudo '
        printf 'On Debian or Ubuntu this helps (with an old list, `apt-get update` first):\n\n    %sapt-get install -y %s\n\n' \
            "$sudo" "${packages[*]}" >&2
    fi
    exit 1
fi
echo "$python"
