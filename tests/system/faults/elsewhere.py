"""Faults that need more than one running exporter, or another command, and so have tests of their own.

By what happens: the test that proves what must hold, and what that is.
"""

from typing import NamedTuple


class Proof(NamedTuple):
    """A fault, what must hold, and the test."""

    fault: str
    holds: str
    test: str


ELSEWHERE = (
    Proof(
        "GitHub App: the installation is suspended or removed",
        "its organization fails alone, the others are read on",
        "tests/system/test_app_end_to_end.py::test_one_organization_without_the_app_does_not_disturb_the_others",
    ),
    Proof(
        "GitHub App: a token is unknown to some of GitHub's servers for a moment",
        "it is asked again; nothing fails",
        "tests/system/test_passing_refusals.py::test_a_token_that_github_does_not_know_for_two_seconds_stops_nothing_not_even_at_its_renewal",
    ),
    Proof(
        "signed link: expired, refused, to a foreign or private address",
        "no token is sent, nothing is fetched from there",
        "tests/system/test_downloads.py",
    ),
    Proof(
        "usage report: an export fails, vanishes, stays unfinished, has bad rows",
        "no second export is created, the last figures stay",
        "tests/system/test_usage_reports.py",
    ),
    Proof(
        "usage report: broken CSV in every way",
        "bad rows are counted, bad files rejected",
        "tests/system/test_usage_sums.py",
    ),
    Proof(
        "late, missing and revised days",
        "the latest complete day with its date; a gap is no zero",
        "tests/unit/test_copilot_usage.py",
    ),
    Proof(
        "names of people and apps with any character",
        "escaped, cut, and still unique",
        "tests/system/test_odd_texts.py",
    ),
    Proof(
        "rows without an order, so that the pages of a list overlap",
        "a list is complete, or it fails: never half of it",
        "tests/system/test_ties.py",
    ),
    Proof(
        "more rows than max_series",
        "the largest and `other`, sums exact",
        "tests/system/test_end_to_end.py::test_the_sum_with_other_is_whole_while_subjects_change_places",
    ),
    Proof(
        "a proxy refuses, is silent, re-signs TLS",
        "named with its fix; no password is shown",
        "tests/system/test_network.py",
    ),
    Proof(
        "the state file is damaged, foreign, newer, a link, a pipe",
        "set aside, a clean one works",
        "tests/system/test_state_folder.py",
    ),
    Proof("a hundred kills while counters move", "nothing is lost or counted twice", "tests/system/test_end_to_end.py"),
    Proof(
        "the web configuration: certificate, login, TLS version",
        "requests are refused, never let in",
        "tests/system/test_web_tls.py",
    ),
    Proof("wrong passwords for minutes", "counted, and others are answered", "tests/system/test_web_login.py"),
    Proof(
        "discovery: a listing fails, shrinks, or is hostile",
        "what was found stays",
        "tests/system/test_discovery_end_to_end.py",
    ),
    Proof("another number of shards", "no request is lost or counted twice", "tests/system/test_resharding.py"),
    Proof(
        "backfill: kills, a full disk, refusals, a server that is down",
        "the next run goes on; the same bytes",
        "tests/system/test_backfill.py",
    ),
    Proof("signals before the exporter listens", "a clean end, or a reload", "tests/system/test_first_signals.py"),
    Proof("the clock was wrong before a start", "no wait of days, counters go on", "tests/system/test_clock_ahead.py"),
    Proof(
        "a memory limit of a small container",
        "large answers are refused or read in pieces",
        "tests/system/test_large_answers.py",
    ),
)
