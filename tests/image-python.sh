#!/bin/sh
# Run tests on the Python that the image has: image-python.sh FOLDER, where its virtual environments are. They are those
# in one process, which have TLS among them, and the exporter as a process in a company's network.
set -eu
version=$(sed -n 's/^ARG BASE=python:\([0-9]*\.[0-9]*\)-.*/\1/p' Dockerfile)
venv=$1/python$version
sh tests/python-venv.sh "$version" "$venv" "${IMAGE_PYTHON:-}" || {
    [ $? = 3 ] || exit 1
    echo "It is the image's. Install it, or name it: make test-image-python IMAGE_PYTHON=/path/to/python$version" >&2
    [ -z "${IMAGE_PYTHON:-}" ] # a Python that was named and is none is a mistake
    exit
}
echo "on Python $version, which the image has:"
# shellcheck disable=SC2046 # words of a list
"$venv/bin/python" -m pytest --numprocesses=3 -m "not alone" tests/system/test_network_end_to_end.py $(sh tests/in-process.sh)
