#!/bin/sh
# Make sure that the browser tests have a real browser.
set -eu
if command -v chromium >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo 'dosetrail: the browser tests need Chromium: run "apt-get install chromium" as root' >&2
    exit 1
fi
echo 'dosetrail: installing Chromium from Debian' >&2
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes --no-install-recommends chromium fonts-dejavu-core >/dev/null
