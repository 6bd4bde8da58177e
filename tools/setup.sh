#!/usr/bin/env bash
# Make .venv hold exactly the pinned packages and this project; do nothing when it does.
#
# Two stamps say, by content, what the packages and the project's own install
# were made from: a touched file costs nothing; a moved folder or a lost Python
# is noticed. Each is removed before its step and written after it, so that an
# interruption at any point is seen by the next run, which does that step anew;
# packages of which it is not known how far they got are thrown away first.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
pins=requirements/dev.txt

stamp_of() { # files that a step follows from
    grep -hv '^ *#' "$@" | sha256sum
}
done_already() { # step, files
    [ "$(cat $venv/stamp-"$1" 2>/dev/null)" = "$(stamp_of "${@:2}")" ]
}
packages_current() { done_already packages $pins; }
project_current() { done_already project pyproject.toml; }
# The programs in .venv/bin name their interpreter by its whole path.
usable() { [ "$(cat $venv/stamp-place 2>/dev/null)" = "$PWD" ] && $venv/bin/python -c '' 2>/dev/null; }
current() { packages_current && project_current && usable; }
stamp() { # step, files
    stamp_of "${@:2}" >$venv/stamp-new
    mv $venv/stamp-new $venv/stamp-"$1"
}

if current; then
    tools/preflight.sh --disk 256 >/dev/null
    exit 0
fi
python=$(tools/preflight.sh)

# One at a time; the lock goes with this process, however it ends.
if command -v flock >/dev/null; then
    exec 9<tools/setup.sh
    flock -n 9 || { echo "Another make setup is under way; waiting for it." >&2 && flock 9; }
    if current; then exit 0; fi
fi

# What the caller's shell may hold and would lead pip or Python astray. Where
# packages come from (a mirror, a proxy) is the caller's to say, and stays.
unset PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_VIRTUALENV VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK=1

total=$(sed -n "/win32/d; s/^\([a-z0-9][^=]*\)==.*/\1/p" $pins | sort -u | wc -l)
log=$venv/setup.log
started=$SECONDS

pip() { # run pip, its talk to the log; on a terminal one line that counts
    if ! $venv/bin/python -m pip "$@" 2>&1 | tee -a $log | progress; then
        printf '\nSetting up failed; the last lines of %s:\n' $log >&2
        tail -n 15 $log >&2
        exit 1
    fi
}
progress() {
    if [ -t 1 ]; then
        awk -v total="$total" '
            /^Collecting |^Requirement already/ { n++; printf "\r\033[K  fetching %d of %d: %s", n, total, $2 == "already" ? $4 : $2; fflush() }
            /^Installing collected/ { printf "\r\033[K  installing them (half a minute) ..."; fflush() }
            END { printf "\r\033[K" }'
    else
        cat >/dev/null
    fi
}

if [ ! -f $venv/stamp-packages ] || ! usable; then
    echo "Setting up .venv with $("$python" --version) and $total pinned packages (a minute or two) ..."
    rm -f $venv/stamp-* # first, lest half a folder look whole
    rm -rf $venv
    "$python" -m venv $venv
    pwd >$venv/stamp-place
else
    echo "Bringing .venv up to date ..."
fi
rm -f $venv/stamp-project
if ! packages_current; then
    rm -f $venv/stamp-packages
    # Wheels only: building one would run code that no hash vouches for.
    pip install --no-user --require-hashes --only-binary :all: -r $pins
    stamp packages $pins
fi
pip install --no-user --no-deps --no-build-isolation --no-index --editable .
stamp project pyproject.toml
echo "Set up in $((SECONDS - started)) s."
