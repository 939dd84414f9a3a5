#!/bin/sh
# Make a virtual environment with all requirements for a version of Python: python-venv.sh VERSION FOLDER [INTERPRETER].
# The interpreter is the given one, else one that is installed, else one that uv downloads. It says so and exits with 3
# if there is none.
set -eu
version=$1 venv=$2 named=${3:-}
uv=$(command -v .venv/bin/uv || command -v uv || true)

runs() { "$1" -c "import sys; sys.exit(sys.version_info[:2] != tuple(map(int, '$version'.split('.'))))" 2>/dev/null; }
known() { [ -z "$uv" ] || "$uv" --quiet python find --system --no-project "$version" 2>/dev/null || true; }

candidates="${named:-python$version $(known)}"
if [ -z "$named" ] && command -v pyenv >/dev/null; then
    candidates="$candidates $(ls -d "$(pyenv root)/versions/$version".*/bin/python 2>/dev/null || true)"
fi
found=""
for candidate in $candidates; do
    if runs "$candidate"; then found=$candidate && break; fi
done
if [ -z "$found" ] && [ -z "$named" ] && [ -n "$uv" ]; then
    reason=$(timeout 300 "$uv" --no-progress python install "$version" 2>&1) || reason="uv: $(echo "$reason" | tail -1)"
    found=$(known)
fi
if [ -z "$found" ] || ! runs "$found"; then
    echo "NOT RUN on Python $version: none of these is one: $candidates" >&2
    [ -z "${reason:-}" ] || echo "It could not be downloaded either; $reason" >&2
    exit 3
fi

if ! [ "$venv/installed" -nt requirements-dev.txt ] || ! [ "$venv/installed" -nt pyproject.toml ]; then
    sh tests/install-venv.sh "$found" "$venv"
    install="$venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps"
    $install --require-hashes --only-binary=:all: -r requirements-dev.txt
    $install --no-build-isolation --editable .
    touch "$venv/installed"
fi
