#!/bin/sh
# Make a virtual environment that holds what a lock names, or bring an old one up to date.
#
#   deploy/venv.sh VENV LOCK [editable|wheel]
#
# Every file is checked against the hash in the lock and nothing outside it is fetched: build isolation is off, and
# the build tools come from requirements-build.lock. The third argument adds this checkout itself.
# PYTHON names the interpreter; without it the first fit one of python3, python3.13, python3.12, python3.11 is taken.
set -eu

venv=$1
lock=$2
project=${3:-}
root=$(cd "$(dirname "$0")/.." && pwd)

choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        "$PYTHON" "$root/deploy/check_python.py" || exit 1
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && "$candidate" "$root/deploy/check_python.py" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    if ! command -v python3 >/dev/null; then
        echo "Python 3 is missing; install it with: sudo apt install python3 python3-venv" >&2
        exit 1
    fi
    python3 "$root/deploy/check_python.py" # says why
    exit 1
}

python=$(choose_python)

# An environment whose interpreter is gone or no longer fit is made anew.
if [ -e "$venv" ] && ! "$venv/bin/python" "$root/deploy/check_python.py" 2>/dev/null; then
    rm -rf "$venv"
fi
echo "Setting up $(basename "$venv") from $(basename "$lock") (once; about a minute)." >&2
if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv "$venv"
fi

# pip also reads the environment and its own files, but none of them can weaken --require-hashes. Errors are shown.
install() {
    "$venv/bin/python" -m pip install -qq --no-input --disable-pip-version-check "$@"
}

install --require-hashes --only-binary=:all: -r "$root/requirements-build.lock"
# tlv8 (a dependency of pynostr) is published as pure Python source alone: its hash is checked like the others.
install --require-hashes --only-binary=:all: --no-binary=tlv8 --no-build-isolation -r "$lock"
case $project in
    editable) install --no-deps --no-build-isolation --editable "$root" ;;
    wheel) install --no-deps --no-build-isolation --no-cache-dir --force-reinstall "$root" ;;
    "") ;;
    *)
        echo "deploy/venv.sh: the third argument is editable or wheel, not $project" >&2
        exit 2
        ;;
esac
