#!/bin/sh
# Install into .venv, with hashes, what the lock files named on the command line pin,
# and the project itself. Nothing outside .venv is touched.
#
#   requirements/install.sh gateway sim cloud
set -eu
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
say() { printf 'dosetrail: %s\n' "$*" >&2; }
offline() {
    say "the packages could not be fetched, see above. Is there a way to the network?"
    say "A proxy is named by HTTPS_PROXY, a mirror by PIP_INDEX_URL and UV_INDEX_URL."
    exit 1
}

if ! command -v "$python" >/dev/null 2>&1; then
    say "$python is not here: install CPython 3.11 or later"
    say "(Debian: apt-get install python3 python3-venv)"
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "$("$python" --version) is too old: 3.11 or later is needed (PYTHON=python3.12 make ...)"
    exit 1
fi
has_uv() { .venv/bin/uv --version >/dev/null 2>&1; }
has_pip() { .venv/bin/python -m pip --version >/dev/null 2>&1; }
# A venv that was interrupted, or whose Python has gone, is made again.
if ! .venv/bin/python -c '' 2>/dev/null || ! { has_uv || has_pip; }; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        say "this Python cannot make a venv: apt-get install python3-venv"
        exit 1
    fi
    say "making .venv"
    "$python" -m venv --clear .venv
fi
if ! has_uv; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --require-hashes -r requirements/build.txt || offline
fi
export UV_PYTHON_DOWNLOADS=never
# Networks that look into TLS have their authority among the system's, not in uv.
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
fi
say "installing: $*"
for extra in "$@"; do
    .venv/bin/uv pip install --quiet --python .venv/bin/python \
        --require-hashes -r "requirements/$extra.txt" || offline
done
.venv/bin/uv pip install --quiet --python .venv/bin/python \
    --no-deps --no-build-isolation -e .
