#!/bin/sh
# Resolve every extra into a hashed lock file that names no download host.
# The dev file is resolved first; each machine's file is constrained by it, so
# that what is tested is what is deployed.
set -eu
cd "$(dirname "$0")/.."
uv="${UV:-.venv/bin/uv}"
compile() {
    out="requirements/$1.txt"
    shift
    UV_PYTHON_DOWNLOADS=never "$uv" pip compile pyproject.toml "$@" \
        --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-annotate --no-header --quiet -o "$out"
}
compile dev --all-extras
for extra in gateway sim cloud; do
    compile "$extra" --extra "$extra" -c requirements/dev.txt
done
