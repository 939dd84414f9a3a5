#!/bin/sh
# Build wheel and sdist: dist.sh PYTHON FOLDER. The same commit gives the same bytes: only the files of a fresh clone are
# there, and times are the commit's.
set -eu
python=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sh "$(dirname "$0")/checkout.sh" "$work"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
cd "$work"
"$python" -m hatchling build --directory "$folder"
