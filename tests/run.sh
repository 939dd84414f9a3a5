#!/bin/sh
# Run the tests: run.sh PYTHON [ARGUMENTS OF PYTEST]. Most of them wait for real processes, so more run at a time than
# there are processors; what measures time runs afterwards, by itself.
set -u
python=$1
shift
"$python" -m pytest --numprocesses=4 --no-loadscope-reorder --durations=30 --durations-min=20 -m "not alone" "$@"
together=$?
"$python" -m pytest -m alone "$@"
alone=$?
# 5: none of the chosen tests is of this kind.
[ "$together" = 5 ] && together=$alone
[ "$alone" = 5 ] && alone=$together
[ "$together" = 0 ] && [ "$alone" = 0 ]
