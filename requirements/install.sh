#!/bin/sh
# Install into .venv, with hashes, what the lock files named on the command line pin,
# and the project itself. Nothing outside .venv is touched.
#
#   requirements/install.sh gateway sim cloud
set -eu
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
say() { printf 'dosetrail: %s\n' "$*" >&2; }

if ! command -v "$python" >/dev/null 2>&1; then
    say "$python is not here: install CPython 3.11 or later (Debian: python3 python3-venv)"
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "$("$python" --version) is too old: 3.11 or later is needed (make PYTHON=python3.12)"
    exit 1
fi
if [ ! -x .venv/bin/python ]; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        say "this Python cannot make a venv: install the package python3-venv"
        exit 1
    fi
    say "making .venv"
    "$python" -m venv .venv
fi
if [ ! -x .venv/bin/uv ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --require-hashes -r requirements/build.txt
fi
export UV_PYTHON_DOWNLOADS=never
set -- "$@"
say "installing: $*"
for extra in "$@"; do
    .venv/bin/uv pip install --quiet --python .venv/bin/python \
        --require-hashes -r "requirements/$extra.txt"
done
.venv/bin/uv pip install --quiet --python .venv/bin/python \
    --no-deps --no-build-isolation -e .
