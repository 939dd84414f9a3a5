#!/bin/sh
# Write the bill of materials of an image: image-sbom.sh PYTHON IMAGE FILE ENGINE..., where ENGINE is docker, or podman
# with its options. The image is not run.
set -eu
python=$1 image=$2 file=$3
shift 3
root=$(mktemp -d)
container=$("$@" create "$image")
trap 'rm -rf "$root"; "$@" rm "$container" >/dev/null' EXIT
"$@" export "$container" | tar -C "$root" --no-same-owner -x opt/exporter/lib usr/lib/os-release usr/local/include var/lib/dpkg/status
"$python" "$(dirname "$0")/sbom.py" image "$root" "$(git log -1 --format=%ct)" >"$file"
