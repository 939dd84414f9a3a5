#!/usr/bin/env bash
# Build the image from the files in git, run it as documented, and check it: deploy/image-test.sh
#
# With docker, if its daemon answers. Otherwise, as root on Debian, without a daemon and without an image registry: buildah
# builds, podman with runc runs, and the base is a stand-in, Debian's Python 3.13 laid out like the official image.
# A stand-in tests the Dockerfile's steps and the image's behaviour, but not the official base's content.
#
# ENGINE=docker|podman|stand-in chooses; podman is podman with a registry. BASE=IMAGE builds on another base.
# SBOM=FILE writes the image's bill of materials, with .venv's Python.
set -euo pipefail
cd "$(dirname "$0")/.."

LIMIT_MB=60        # maximum size above its base
LABEL=github-enterprise-exporter-image-test
work=$(mktemp -d)
image=localhost/$LABEL:$$
engine=()
started=()

say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

clean() {
    status=$?
    [ ${#engine[@]} -eq 0 ] || {
        if [ "$status" -ne 0 ] && [ ${#started[@]} -gt 0 ]; then
            for one in "${started[@]}"; do echo "--- $one" >&2; "${engine[@]}" logs "$one" 2>&1 | tail -20 >&2 || true; done
        fi
        [ ${#started[@]} -eq 0 ] || "${engine[@]}" rm -f -v "${started[@]}" >/dev/null 2>&1 || true
        "${engine[@]}" rmi -f "$image" >/dev/null 2>&1 || true
    }
    rm -rf "$work"
}
trap clean EXIT

choose() {
    if [ -n "${ENGINE:-}" ]; then echo "$ENGINE"
    elif docker info >/dev/null 2>&1; then echo docker
    else echo stand-in
    fi
}

install_tools() {
    missing=()
    for tool in buildah podman runc mmdebstrap; do command -v "$tool" >/dev/null || missing+=("$tool"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then fail "needed: docker, or root and ${missing[*]}"; fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# A base like the official one: Python 3.13 as `python`, pip for the build, a standard library without bytecode.
stand_in() {
    root=$work/base
    mirror=$(awk '/^(URIs:|deb )/ { for (i = 2; i <= NF; i++) if ($i ~ /^http/) { print $i; exit } }' \
        /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null || true)
    mmdebstrap --quiet --variant=apt --include=python3,ca-certificates --dpkgopt=force-unsafe-io \
        --dpkgopt="path-exclude=/usr/share/man/*" --dpkgopt="path-exclude=/usr/share/locale/*" trixie "$root" ${mirror:+"$mirror"}
    ln -s ../../bin/python3 "$root/usr/local/bin/python"
    ln -s ../../bin/python3 "$root/usr/local/bin/python3"
    rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"   # an index behind a certificate of one's own
    printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$root/etc/pip.conf"
    mkdir "$root/tmp/pip"
    python3 -m pip download -qq --disable-pip-version-check --no-deps --dest "$root/tmp/pip" pip
    # shellcheck disable=SC2016 # expanded in the new root
    chroot "$root" /bin/sh -c 'set -- /tmp/pip/pip-*.whl; python "$1/pip" install --quiet --no-index --root-user-action=ignore "$1"'
    rm -rf "$root/tmp/pip"
    find "$root/usr/lib" "$root/usr/local" -name '*.pyc' -delete
    tar -C "$root" -c . | "${engine[@]}" import --quiet - localhost/python:stand-in >/dev/null
    rm -rf "$root"
}

build() {
    arguments=(${BASE:+--build-arg "BASE=$BASE"} --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)"
        --build-arg "VERSION=$(python3 deploy/release/version.py --print)"
        --tag "$image" "$work/source")
    case $kind in
        stand-in)
            buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" \
                bud --isolation chroot --pull-never --format docker "${arguments[@]}" ;;
        podman) podman build --format docker "${arguments[@]}" ;;
        docker) docker build "${arguments[@]}" ;;
    esac >"$work/build.log" 2>&1 || { tail -30 "$work/build.log" >&2; fail "the build"; }
}

# run NAME NETWORK OPTIONS... -- ARGUMENTS...: read-only root, no capabilities, nobody's user, few system calls.
run() {
    name=$1-$$ network=$2
    shift 2
    options=(--detach)
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    started+=("$name")
    "${engine[@]}" run --name "$name" --network "$network" --read-only --cap-drop ALL \
        --security-opt no-new-privileges --security-opt "seccomp=$PWD/deploy/seccomp.json" "${extra[@]}" "${options[@]}" "$image" "$@" >/dev/null
}
inside() { "${engine[@]}" exec "$@"; }

# get NAME PATH: the body, or nothing; the image has no curl.
get() {
    inside "$1-$$" python -c 'import sys, urllib.request
print(urllib.request.urlopen("http://127.0.0.1:10171" + sys.argv[1], timeout=5).read().decode())' "$2" 2>/dev/null
}

# over_tls NAME LOGIN PATH: the body, or the status of a refusal; the certificate is verified.
over_tls() {
    inside "$1-$$" python -c 'import base64, os, ssl, sys, urllib.request
basic = "Basic " + base64.b64encode(sys.argv[1].encode()).decode()
request = urllib.request.Request("https://127.0.0.1:10171" + sys.argv[2], headers={"Authorization": basic})
context = ssl.create_default_context(cafile=os.environ["GITHUB_EXPORTER_WEB_CONFIG_FILE"].replace("web.yml", "tls.crt"))
try:
    print(urllib.request.urlopen(request, timeout=5, context=context).read().decode())
except urllib.error.HTTPError as error:
    print(error.code)' "$2" "$3"
}

# until_seen NAME PATH PATTERN SECONDS
until_seen() {
    deadline=$((SECONDS + $4))
    until get "$1" "$2" | grep -E "$3" >/dev/null; do
        [ $SECONDS -lt $deadline ] || fail "$2 of $1 shows no $3 within $4 s"
        sleep 0.2
    done
}

# stop NAME: SIGTERM must end it with exit code 0 within 10 seconds.
stop() {
    before=$SECONDS
    "${engine[@]}" stop -t 20 "$1-$$" >/dev/null
    took=$((SECONDS - before))
    code=$("${engine[@]}" inspect --format '{{.State.ExitCode}}' "$1-$$")
    [ "$code" = 0 ] || fail "$1: exit code $code after SIGTERM"
    [ $took -lt 10 ] || fail "$1: SIGTERM took $took s"
    say "$1: SIGTERM, exit code 0 within $((took + 1)) s"
}

size() { "${engine[@]}" image inspect --format '{{.Size}}' "$1"; }
setting() { "${engine[@]}" image inspect --format "{{json .Config.$1}}" "$image"; }
expect() { [ "$2" = "$3" ] || fail "$1 is $2, not $3"; }

kind=$(choose)
extra=()
case $kind in
    docker) engine=(docker); extra=(--pull never) ;;
    podman) engine=(podman); extra=(--read-only-tmpfs=false) ;;
    stand-in)
        install_tools
        engine=(podman --storage-driver vfs --root "$work/storage" --runroot "$work/run" --cgroup-manager cgroupfs --runtime runc)
        # No systemd for health checks, and limits that need no right to raise them.
        extra=(--read-only-tmpfs=false --no-healthcheck --ulimit nofile=20000:20000 --ulimit nproc=10000:10000)
        if [ -z "${BASE:-}" ]; then stand_in; BASE=localhost/python:stand-in; fi
        ;;
    *) fail "ENGINE is docker, podman or stand-in" ;;
esac
say "engine $kind, base ${BASE:-as pinned}"

sh deploy/release/checkout.sh "$work/source"
build
say "built"
if [ -n "${SBOM:-}" ]; then
    sh deploy/release/image-sbom.sh .venv/bin/python "$image" "$SBOM" "${engine[@]}"
    say "bill of materials: $(grep -c '"purl"' "$SBOM") components"
fi

expect User "$(setting User)" '"65532:65532"'
expect Entrypoint "$(setting Entrypoint)" '["github-enterprise-exporter"]'
expect Cmd "$(setting Cmd | sed 's/^\[\]$/null/')" null
expect Volumes "$(setting Volumes)" '{"/var/lib/github-enterprise-exporter":{}}'
expect ExposedPorts "$(setting ExposedPorts)" '{"10171/tcp":{}}'
"${engine[@]}" image inspect "$image" | tr -d ' \n' | grep -q '"CMD","github-enterprise-exporter","healthcheck"' ||
    fail "no health check in the image"
setting Labels | grep -q '"org.opencontainers.image.revision":"[0-9a-f]\{40\}"' || fail "labels: $(setting Labels)"
expect "the version" "$("${engine[@]}" run --rm --network none "${extra[@]}" "$image" --version)" \
    "github-enterprise-exporter $(python3 deploy/release/version.py --print)"

base=${BASE:-$(sed -n 's/^ARG BASE=//p' Dockerfile | head -1)}
[ "$kind" = stand-in ] || "${engine[@]}" pull --quiet "$base" >/dev/null
above=$((($(size "$image") - $(size "$base")) / 100000))
say "size: $((above / 10)).$((above % 10)) MB above the base's $(($(size "$base") / 1000000)) MB"
[ $above -le $((LIMIT_MB * 10)) ] || fail "more than $LIMIT_MB MB above the base"

# A simulated GitHub and the exporter in a network without anything else.
run github none -- simulate --web.listen-address=127.0.0.1:8081
real=(--env GITHUB_EXPORTER_TOKEN=t --env GITHUB_EXPORTER_API_URL=http://127.0.0.1:8081 --env GITHUB_EXPORTER_ORGANIZATIONS=acme
    --volume "$LABEL-$$:/var/lib/github-enterprise-exporter")
run exporter "container:github-$$" "${real[@]}" --
until_seen exporter /-/ready ready 60
until_seen exporter /metrics '^github_api_insights_requests_total\{' 60
say "exporter: ready, with GitHub's metrics"
inside "exporter-$$" github-enterprise-exporter healthcheck || fail "healthcheck"
expect "the user" "$(inside "exporter-$$" id -u):$(inside "exporter-$$" id -g)" 65532:65532
# shellcheck disable=SC2016 # expanded inside
found=$(inside "exporter-$$" sh -c '
    for folder in / /opt/exporter /usr /etc /tmp; do touch "$folder/x" 2>/dev/null && echo "$folder is writable"; done
    for tool in pip pip3 gcc cc make strip curl; do command -v "$tool"; done
    for module in pip ensurepip setuptools hatchling pytest; do python -c "import $module" 2>/dev/null && echo "$module"; done
    touch /var/lib/github-enterprise-exporter/x && rm /var/lib/github-enterprise-exporter/x || echo "no writable state"
    true')
expect "what should not be there" "$found" ""
say "exporter: uid 65532, nothing writable but the state, no pip, no compiler; $(inside "exporter-$$" grep VmRSS /proc/1/status | tr -s '\t ' ' ')"
stop exporter

# GitHub is gone: the same numbers come from the state.
stop github
run restarted none "${real[@]}" --
until_seen restarted /-/ready ready 10
until_seen restarted /metrics '^github_api_insights_requests_total\{' 5
say "restarted: ready from its state, without GitHub"
stop restarted

# TLS and a password by a mounted web configuration.
mkdir "$work/web"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout "$work/web/tls.key" \
    -out "$work/web/tls.crt" -subj /CN=exporter -addext subjectAltName=IP:127.0.0.1 2>/dev/null
openssl rand -base64 24 >"$work/web/password"
hash=$("${engine[@]}" run --rm --interactive --network none "${extra[@]}" --entrypoint python "$image" -c '
import bcrypt, sys
print(bcrypt.hashpw(sys.stdin.read().strip().encode(), bcrypt.gensalt(10)).decode())' <"$work/web/password")
printf 'tls_server_config: {cert_file: tls.crt, key_file: tls.key}\nbasic_auth_users: {prometheus: %s}\n' "$hash" >"$work/web/web.yml"
chmod -R a+rX "$work/web"
web=/etc/github-enterprise-exporter/web
run secured none "${real[@]}" --volume "$work/web:$web:ro" --env GITHUB_EXPORTER_WEB_CONFIG_FILE=$web/web.yml \
    --env GITHUB_EXPORTER_HEALTHCHECK_PASSWORD_FILE=$web/password --
deadline=$((SECONDS + 20))
until inside "secured-$$" github-enterprise-exporter healthcheck 2>/dev/null; do
    [ $SECONDS -lt $deadline ] || fail "healthcheck over TLS: $(inside "secured-$$" github-enterprise-exporter healthcheck 2>&1)"
    sleep 0.2
done
over_tls secured "prometheus:$(cat "$work/web/password")" /metrics | grep "^github_api_insights_requests_total{" >/dev/null ||
    fail "no metrics over TLS"
expect "a wrong password's answer" "$(over_tls secured prometheus:wrong /metrics)" 401
if get secured /metrics; then fail "an answer without TLS"; fi
if inside "secured-$$" env -u GITHUB_EXPORTER_HEALTHCHECK_PASSWORD_FILE github-enterprise-exporter healthcheck 2>/dev/null; then
    fail "healthcheck needs no password"
fi
say "secured: TLS and a password by a mounted web configuration; healthcheck logs in"
stop secured

run demo none --tmpfs /tmp -- demo
until_seen demo /metrics '^github_api_insights_route_requests_total\{.*[1-9]$' 60
say "demo: counters move"
inside "demo-$$" github-enterprise-exporter healthcheck || fail "healthcheck of the demo"
stop demo
"${engine[@]}" volume rm "$LABEL-$$" >/dev/null 2>&1 || true
say "all is well"
