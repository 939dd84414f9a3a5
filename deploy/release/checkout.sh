#!/bin/sh
# Copy the files of a fresh clone into an empty folder: checkout.sh FOLDER. They are those known to git or about to be,
# without what is ignored; of a clean clone these are the commit's.
set -eu
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
list=$(mktemp)
trap 'rm -f "$list"' EXIT
git ls-files -z --cached --others --exclude-standard | tr '\0' '\n' |
    while IFS= read -r file; do if [ -e "$file" ]; then printf '%s\n' "$file"; fi; done >"$list"
tar --files-from="$list" -c | tar -C "$folder" -x
