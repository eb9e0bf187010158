#!/bin/sh
# Make .peers, a venv with the peers that a benchmark compares with, once.
set -eu
cd "$(dirname "$0")/.."
stamp=.peers/.done
[ -e "$stamp" ] && [ "$stamp" -nt requirements/peers.txt ] && exit 0
printf 'dosetrail: installing the peers of the spectrum into .peers\n' >&2
export UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
.venv/bin/uv venv --quiet --clear --python .venv/bin/python .peers
.venv/bin/uv pip install --quiet --python .peers/bin/python \
    --require-hashes -r requirements/peers.txt
touch "$stamp"
