#!/bin/sh
# List the test files that run in one process and quickly: unit and fuzz tests, and of the others those without the exporter as a
# process, helm, a browser, and the simulator.
set -eu
grep -L "tests\.soak\|tests\.support\.\(app\|chart\|daemon\|harness\|organizations\|usage_reports\) \|playwright\|exporter\.simulator\|demo: Prometheus" \
    tests/unit/test_*.py tests/fuzz/test_*.py tests/system/test_*.py
