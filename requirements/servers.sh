#!/bin/sh
# Fetch the real servers that tests start, from Debian packages, and unpack them below
# .servers/. Nothing is installed or started system-wide; root is not needed.
#
#   requirements/servers.sh          fetch what is missing
#   requirements/servers.sh --check  only say whether everything is there
set -eu
cd "$(dirname "$0")/.."
servers="$PWD/.servers"
packages='influxdb victoria-metrics
    mosquitto libmosquitto1 libcjson1 libdlt2 libwebsockets17 libev4 libuv1 libwrap0'
say() { printf 'dosetrail: %s\n' "$*" >&2; }

# All started once with their libraries: a file that is there may still not run.
complete() {
    libraries="$(echo "$servers"/usr/lib/*-linux-gnu*)"
    [ "$(cat "$servers/.complete" 2>/dev/null)" = "$packages" ] &&
        "$servers/usr/bin/influxd" version >/dev/null 2>&1 &&
        "$servers/usr/bin/victoria-metrics" -version >/dev/null 2>&1 &&
        LD_LIBRARY_PATH="$libraries" "$servers/usr/sbin/mosquitto" -h 2>&1 |
            grep -q '^mosquitto version'
}

if complete; then
    exit 0
fi
if [ "${1:-}" = --check ]; then
    say "the servers for tests are not all in $servers: run requirements/servers.sh"
    exit 1
fi
for tool in apt-get dpkg; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        say "no $tool here: the servers for tests come from Debian 12 packages"
        exit 1
    fi
done
say 'fetching the servers for tests (Debian packages, unpacked below .servers/)'
mkdir -p "$servers/archives"
cd "$servers/archives"
# shellcheck disable=SC2086 # a list of words
if ! apt-get -qq download $packages >/dev/null 2>&1; then
    # Package lists are missing or old: read them into a place of our own.
    mkdir -p lists/partial cache/archives/partial
    set -- -qq -o "Dir::State::lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" \
        -o APT::Sandbox::User=
    apt-get "$@" update >/dev/null 2>failure || true
    if ! apt-get "$@" download $packages >/dev/null 2>>failure; then
        say "cannot fetch the servers: $(tail -n 1 failure)"
        say 'remedy: a Debian 12 machine that reaches its package archive'
        exit 1
    fi
fi
for archive in *.deb; do
    dpkg -x "$archive" "$servers"
done
cd "$servers"
rm -rf archives
printf '%s\n' "$packages" >.complete
if ! complete; then
    rm -f .complete
    say "the servers in $servers do not start: is this Debian 12?"
    exit 1
fi
