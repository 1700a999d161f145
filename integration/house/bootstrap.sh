#!/bin/sh
# Makes the tools environment (nox and uv, by hash) that `make` works with: bootstrap.sh FOLDER
# Needs only a Python >= 3.11 with venv; PYTHON=... chooses one. Says in one line what is missing otherwise.
set -eu

tools=$1
lock=$(dirname "$0")/../../requirements/tools.txt

fail() {
    printf 'seatrial: %s\n' "$1" >&2
    exit 1
}

# Shims of version managers may exist and fail, so a candidate counts only once it has run.
judge() {
    "$1" -c 'import sys
if sys.version_info < (3, 11): print("old %d.%d" % sys.version_info[:2]); sys.exit()
try: import ensurepip, venv
except ImportError: print("bare %d.%d" % sys.version_info[:2]); sys.exit()
print("good")' 2>/dev/null || :
}

candidates() {
    if [ -n "${PYTHON:-}" ]; then
        printf '%s\n' "$PYTHON"
        return
    fi
    printf '%s\n' python3 python3.13 python3.12 python3.11
    for minor in 13 12 11; do
        for path in "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}/versions/3.$minor".*/bin/python3; do
            [ -x "$path" ] && printf '%s\n' "$path"
        done
    done
    return 0
}

# Sets $python to the first candidate that will do, or says why none does.
find_python() {
    old='' bare=''
    for candidate in $(candidates); do
        verdict=$(judge "$candidate")
        case $verdict in
            good) python=$candidate; return ;;
            old*) old=${old:-"$candidate is Python ${verdict#old }, 3.11 or newer is needed: install one"} ;;
            bare*) bare=${bare:-"$candidate has no venv module: install python${verdict#bare }-venv"} ;;
        esac
    done
    missing='no Python found: install Python 3.11 or newer'
    [ -z "${PYTHON:-}" ] || missing="PYTHON=$PYTHON does not run: correct it"
    found=${bare:-${old:-$missing}}
    fail "$found (or name another interpreter: make PYTHON=/path/to/python3)"
}

python=''
find_python
rm -rf "$tools"
"$python" -m venv "$tools" || fail "$python cannot make a virtual environment in $tools: see above"
"$tools/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r "$lock" ||
    fail "the tools could not be installed from requirements/tools.txt: see above (is a package index reachable?)"
touch "$tools/ready"
