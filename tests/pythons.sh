#!/bin/sh
# Run the unit tests on several versions of Python: pythons.sh FOLDER VERSION..., where FOLDER has their virtual
# environments. A version that cannot be had is named at the end; with ALL_PYTHONS=1 it is a failure.
set -eu
folder=$1
shift
passed="" failed="" missing=""
for version in "$@"; do
    venv=$folder/python$version
    if sh tests/python-venv.sh "$version" "$venv"; then
        echo "on Python $version:"
        if "$venv/bin/python" -m pytest --numprocesses=2 tests/unit; then passed="$passed $version"; else failed="$failed $version"; fi
    elif [ $? = 3 ]; then
        missing="$missing $version"
    else
        failed="$failed $version"
    fi
done
echo "unit tests passed on:${passed:- none}; failed on:${failed:- none}; not run, no interpreter:${missing:- none}"
[ -z "$failed" ] && { [ -z "$missing" ] || [ -z "${ALL_PYTHONS:-}" ]; }
