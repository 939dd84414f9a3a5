#!/bin/sh
# The tests scrape the exporter with a real Prometheus, lint with promtool, turn its clock with libfaketime, look at its
# page with Chromium, put it behind nginx, ask systemd about its unit, give its past to VictoriaMetrics and confine it
# with libseccomp; install Debian's when missing.
set -eu
missing=""
command -v prometheus >/dev/null && command -v promtool >/dev/null || missing="prometheus"
ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || missing="$missing faketime"
command -v curl >/dev/null || missing="$missing curl"
PATH="$PATH:/usr/sbin" command -v nginx >/dev/null || missing="$missing nginx"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
[ -x .venv/bin/shellcheck ] || command -v shellcheck >/dev/null || missing="$missing shellcheck"
command -v victoria-metrics >/dev/null || missing="$missing victoria-metrics"
command -v chromium >/dev/null || missing="$missing chromium fonts-dejavu-core"
ls /usr/lib/*/libseccomp.so.2 >/dev/null 2>&1 || missing="$missing libseccomp2"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then as_root=""; elif command -v sudo >/dev/null; then as_root="sudo"; else as_root="none"; fi
if ! command -v apt-get >/dev/null || [ "$as_root" = none ]; then
    echo "the tests need: $missing; on Debian, as root: apt-get install $missing" >&2
    exit 1
fi
# The packages prometheus, nginx and victoria-metrics would start servers of their own; RUNLEVEL keeps them from that.
$as_root apt-get update -qq
# shellcheck disable=SC2086 # words of a list
$as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
