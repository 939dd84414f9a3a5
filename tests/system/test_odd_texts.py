"""Characters that no text can have, in GitHub's answers: on `/metrics`, the page, in the log and after a restart."""

from pathlib import Path

from exporter.simulator.faults import Fault
from tests.support.harness import get, until
from tests.support.organizations import exporting, github_of, state_of

SUMS = b'{"total_request_count":9,"rate_limited_request_count":0}'
SUBJECTS = rb"""[
{"subject_type":"installation","subject_id":1,"subject_name":"half \ud800 nul \u0000",%b,
{"subject_type":"user","subject_id":2,"subject_name":"tab \u0009",%b]""" % (SUMS[1:], SUMS[1:])
REFUSAL = rb'{"message":"No \udc00 for \u001b[31myou \u0000"}'
NAME = 'subject_name="half \ufffd nul \ufffd"'


def test_no_character_costs_an_answer_and_all_of_it_is_shown(tmp_path: Path) -> None:
    github = github_of("acme")
    github.faults.add(Fault(r"/subject-stats", status=200, body=SUBJECTS))
    github.faults.add(Fault(r"/summary-stats", status=200, body=SUMS))
    github.faults.add(Fault(r"/time-stats", status=403, body=REFUSAL))
    with exporting(tmp_path, github, "acme", interval="1h") as exporter:
        for _ in range(2):
            exporter.start()
            until(lambda: state_of(exporter, "acme", "ok"), "the subjects are read")
            assert NAME in exporter.metrics()
            refused = until(
                lambda: "No \ufffd for" in (page := get(exporter.url)[1]) and page, "the page has the words"
            )
            assert "\x1b" not in refused
            assert "\0" not in refused
            exporter.stop()
    assert "No \\ufffd for [31myou" in exporter.log.read_text()
