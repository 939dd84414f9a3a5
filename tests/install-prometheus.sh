#!/bin/sh
# The tests scrape the exporter with a real Prometheus and lint with promtool; install Debian's when missing.
set -eu
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then exit 0; fi
if [ "$(id -u)" = 0 ]; then as_root=""; elif command -v sudo >/dev/null; then as_root="sudo"; else as_root="none"; fi
if ! command -v apt-get >/dev/null || [ "$as_root" = none ]; then
    echo "prometheus and promtool are needed on PATH; on Debian: apt-get install prometheus" >&2
    exit 1
fi
# The package would start a server of its own on port 9090; the tests bring their own.
$as_root apt-get update -qq
$as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null
