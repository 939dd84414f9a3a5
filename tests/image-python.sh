#!/bin/sh
# Run tests on the Python that the image has: image-python.sh FOLDER, where its virtual environments are. They are those
# in one process, which have TLS among them, and the exporter as a process in a company's network.
set -eu
folder=$1
version=$(sed -n 's/^ARG BASE=python:\([0-9]*\.[0-9]*\)-.*/\1/p' Dockerfile)

runs() { "$1" -c "import sys; sys.exit(sys.version_info[:2] != tuple(map(int, '$version'.split('.'))))" 2>/dev/null; }

candidates="python$version $(uv python find "$version" 2>/dev/null || true)"
if command -v pyenv >/dev/null; then candidates="$candidates $(ls -d "$(pyenv root)/versions/$version".*/bin/python 2>/dev/null || true)"; fi
found=""
for candidate in ${IMAGE_PYTHON:-$candidates}; do
    if runs "$candidate"; then found=$candidate && break; fi
done
if [ -z "$found" ]; then
    echo "NOT RUN on Python $version, which the image has: none of these is one: ${IMAGE_PYTHON:-$candidates}" >&2
    echo "Install it, or name it: make test-image-python IMAGE_PYTHON=/path/to/python$version" >&2
    [ -z "${IMAGE_PYTHON:-}" ] # a Python that was named and is none is a mistake
    exit
fi

venv=$folder/python$version
if ! [ "$venv/installed" -nt requirements-dev.txt ] || ! [ "$venv/installed" -nt pyproject.toml ]; then
    sh tests/install-venv.sh "$found" "$venv"
    install="$venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps"
    $install --require-hashes --only-binary=:all: -r requirements-dev.txt
    $install --no-build-isolation --editable .
    touch "$venv/installed"
fi
echo "on Python $version, which the image has:"
# shellcheck disable=SC2046 # words of a list
"$venv/bin/python" -m pytest --numprocesses=3 -m "not alone" tests/system/test_network_end_to_end.py $(sh tests/in-process.sh)
