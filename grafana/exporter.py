"""The exporter itself: collectors, budgets, rate limits, errors, freshness."""

from grafana.board import Board, Row, choices
from grafana.fields import ANY_IS_BAD, ANY_IS_NOTABLE, DAY, Steps
from grafana.links import cell, to
from grafana.panels import stat, timeline, timeseries
from grafana.tables import Column, Label, table

STATE = "github_exporter_endpoint_state"
SUCCESS = "github_exporter_collector_success"
LAST = "github_exporter_collector_last_success_timestamp_seconds"
NEXT = "github_exporter_collector_next_run_timestamp_seconds"
SENT = "github_exporter_api_requests_total"
ERRORS = "github_exporter_collector_errors_total"
EXPIRY = "github_exporter_credential_expiry_timestamp_seconds"
SUNSET = "github_exporter_endpoint_sunset_timestamp_seconds"
NEVER = 1_000_000_000
"""The age of what was never read, in seconds."""
SINCE_READ = f"time() - {LAST} or {SUCCESS} * 0 + {NEVER}"
NEVER_READ = {str(NEVER): ("never", "red")}
LEFT: Steps = ((None, "red"), (0.1, "orange"), (0.2, "green"))
LEFT_LINES: Steps = ((None, "transparent"), (0.1, "red"), (0.2, "orange"))
"""Where a falling line becomes notable, and bad."""
NO_LIMIT = 2
"""The share that is left of what has no limit; shares end at 1."""
USED: Steps = ((None, "green"), (0.8, "orange"), (1, "red"))
AGE: Steps = ((None, "green"), (90_000, "orange"), (259_200, "red"))
WORKS = {"0": ("fails", "red"), "1": ("works", "green")}
STATES = {
    "ok": ("ok", "green"),
    "rate_limited": ("rate limited", "yellow"),
    "unavailable": ("unavailable", "orange"),
    "invalid": ("invalid", "orange"),
    "not_found": ("not found", "red"),
    "forbidden": ("forbidden", "red"),
    "retired": ("retired", "purple"),
}
SOURCE = "collector, target"


def per_source(metric: str) -> str:
    """The number of each source."""
    return f"max by ({SOURCE}) ({metric})"


EXPORTER = Board(
    name="exporter",
    title="GitHub Enterprise / Exporter",
    description="Does the exporter work: which source fails and why, how old the numbers are, and how much of "
    "GitHub's rate limit is used.",
    since="now-6h",
    by_instance=True,
    variables=(
        choices("collector", "Collector", SUCCESS),
        choices("target", "Target", SUCCESS),
        choices("pool", "Quota pool", "github_exporter_rate_limit_limit"),
    ),
    rows=(
        Row(
            "Does it work?",
            (
                stat(
                    "Exporters",
                    "Exporters that are up and were scraped. 0, or no data at all: the exporter is down or "
                    "Prometheus does not reach it.",
                    "count(github_exporter_build_info)",
                    "none",
                    ((None, "red"), (1, "green")),
                ),
                stat(
                    "Sources that fail",
                    "Collectors and targets whose last attempt gave no complete result. The table below shows "
                    "which and why.",
                    f"count({SUCCESS} == 0) or vector(0)",
                    "none",
                    ANY_IS_BAD,
                ),
                stat(
                    "Sources refused",
                    "Sources with a rejected credential or a missing permission. They need action: "
                    "github-enterprise-exporter doctor names the missing permission.",
                    f'sum({STATE}{{state="forbidden"}})',
                    "none",
                    ANY_IS_BAD,
                ),
                stat(
                    "Overdue",
                    "Sources whose next attempt is more than ten minutes late: they wait for their share of the "
                    "rate limit. If it lasts, raise budget.share or the intervals.",
                    f"count(time() - {NEXT} > 600) or vector(0)",
                    "none",
                    ANY_IS_NOTABLE,
                ),
                stat(
                    "Oldest numbers",
                    "Time since the last complete read, of the oldest source. Sources are read every 15 minutes "
                    "to once a day. Never: a source was tried, and not once read.",
                    f"max({SINCE_READ})",
                    "s",
                    AGE,
                    decimals=0,
                    words=NEVER_READ,
                ),
                stat(
                    "State not saved",
                    "Failed writes to the state folder in the time selected. While it cannot be written, new "
                    "counters stay at 0; the disk may be full.",
                    "sum(increase(github_exporter_state_writes_failed_total[$__range]))",
                    "short",
                    ANY_IS_BAD,
                ),
                table(
                    "Sources",
                    "Each collector and target, those that failed in their last attempt first: state of the endpoint, "
                    "failures in the time selected, time since the last complete read, time to the next attempt, "
                    "number of series, and rows that were summed as other.",
                    {
                        "state": Label("State", words=STATES),
                        "collector": Label("Collector", 180),
                        "target": Label("Target", 220),
                    },
                    {
                        "Last attempt": Column(
                            f"max by ({SOURCE}, state) "
                            f"({SUCCESS} * on (job, instance, {SOURCE}) group_right () ({STATE} == 1))",
                            "none",
                            words=WORKS,
                        ),
                        "Failures": Column(
                            f"sum by ({SOURCE}) (increase({ERRORS}[$__range]))", "locale", ANY_IS_NOTABLE
                        ),
                        "Read": Column(per_source(SINCE_READ), "s", AGE, words=NEVER_READ, decimals=0),
                        "Next attempt in": Column(
                            per_source(f"{NEXT} - time()"), "s", ((None, "orange"), (-60, "blue")), decimals=0
                        ),
                        "Series": Column(per_source("github_exporter_collector_series"), "locale"),
                        "In other": Column(
                            per_source("github_exporter_collector_series_folded"), "locale", ANY_IS_NOTABLE
                        ),
                    },
                    sort="Last attempt",
                    ascending=True,
                    height=12,
                    clicks={
                        "collector": (("Only this collector", to("exporter", collector=cell("collector"))),),
                        "target": (("Only this target", to("exporter", target=cell("target"))),),
                    },
                ),
                timeline(
                    "When did it fail?",
                    "The last attempt over time of each source that failed in the time selected: green works, red "
                    "failed. Red for all targets of a collector: a fault at GitHub or a permission; for all collectors "
                    "of a target: the credential.",
                    f"{per_source(SUCCESS)} and on ({SOURCE}) min_over_time({SUCCESS}[$__range] @ end()) == 0",
                    "{{collector}} {{target}}",
                    WORKS,
                    height=8,
                    empty="No source failed",
                ),
                timeseries(
                    "Sources that fail, by state",
                    "Number of sources by the state of their endpoint, without those that are ok. forbidden and "
                    "not_found need action; unavailable and rate_limited usually pass.",
                    {"{{state}}": f'count by (state) ({STATE}{{state!="ok"}} == 1)'},
                    "none",
                    ANY_IS_NOTABLE,
                    stacked=True,
                    decimals=0,
                    colors={state: color for state, (_, color) in STATES.items()},
                    empty="All endpoints are ok",
                ),
                timeseries(
                    "Late numbers",
                    "Time since the last complete read, in intervals of the source: only sources that are later than "
                    "one. Above 2 a source fails, or waits for its share of the rate limit.",
                    {
                        "{{collector}} {{target}}": f"max by ({SOURCE}) (source:github_exporter_collector_age:intervals"
                        '{collector=~"$collector", target=~"$target"}) > 1'
                    },
                    "none",
                    ((None, "green"), (2, "orange")),
                    decimals=1,
                    empty="No source is late",
                ),
            ),
        ),
        Row(
            "What does it use of GitHub's rate limit?",
            (
                timeseries(
                    "Rate limit left",
                    "Share of the hourly limit that is left to each quota pool (a token's user, or an App in an "
                    "organization). At 0 GitHub refuses all clients that share it.",
                    {
                        "{{pool}}": "min by (pool) (github_exporter_rate_limit_remaining / "
                        "github_exporter_rate_limit_limit)"
                    },
                    "percentunit",
                    LEFT_LINES,
                    highest=1,
                    width=8,
                ),
                timeseries(
                    "Budget used",
                    "The exporter's own requests in the hour before, divided by its budget (budget.share). At "
                    "100 % it waits, and the numbers grow old.",
                    {
                        "{{pool}}": f"sum by (pool) (increase({SENT}[1h])) / on (pool) "
                        "max by (pool) (github_exporter_api_budget_requests)"
                    },
                    "percentunit",
                    USED,
                    width=8,
                ),
                timeseries(
                    "Requests by answer",
                    "The exporter's requests to GitHub in the hour before each point, by HTTP status. 401: rejected "
                    "credential; 403, 404: permission or "
                    "name; 429: limit; 5xx and error: GitHub or the network.",
                    {"{{status}}": f"sum by (status) (increase({SENT}[1h])) > 0"},
                    "short",
                    stacked=True,
                    width=8,
                ),
                table(
                    "Quota pools",
                    "Each credential's limit, what is left of it, when it resets, and the exporter's own budget. "
                    "Appliances may have no limit.",
                    {"pool": Label("Quota pool", 180)},
                    {
                        "Left": Column(
                            "min by (pool) (github_exporter_rate_limit_remaining / github_exporter_rate_limit_limit) "
                            f"or sum by (pool) (increase({SENT}[1h])) * 0 + {NO_LIMIT}",
                            "percentunit",
                            LEFT,
                            words={str(NO_LIMIT): ("no limit", "text")},
                            decimals=0,
                        ),
                        "Limit per hour": Column("max by (pool) (github_exporter_rate_limit_limit)", "locale"),
                        "Resets in": Column(
                            "clamp_min(max by (pool) (github_exporter_rate_limit_reset_timestamp_seconds) - time(), 0)",
                            "s",
                            decimals=0,
                        ),
                        "Own budget": Column("max by (pool) (github_exporter_api_budget_requests)", "locale"),
                        "Own requests": Column(f"sum by (pool) (increase({SENT}[1h]))", "locale"),
                    },
                    sort="Left",
                    ascending=True,
                    width=16,
                    height=8,
                    clicks={"pool": (("Only this one", to("exporter", pool=cell("pool"))),)},
                ),
                timeseries(
                    "How fast GitHub answers",
                    "95 % of the responses in the hour before each point came within this time. Slow responses "
                    "delay the exporter's reads, not scrapes.",
                    {
                        "{{pool}}": "histogram_quantile(0.95, sum by (pool, le) "
                        "(increase(github_exporter_api_request_duration_seconds_bucket[1h]))) >= 0"
                    },
                    "s",
                    ((None, "green"), (5, "orange"), (20, "red")),
                    width=8,
                ),
            ),
        ),
        Row(
            "Are the counters exact, and what will end?",
            (
                stat(
                    "Time not counted",
                    "Gaps found in the time selected (seconds): the exporter was off for longer than the 31 days "
                    "that GitHub keeps. 0 is good.",
                    "sum(increase(github_exporter_gap_seconds_total[$__range]))",
                    "s",
                    ANY_IS_BAD,
                    width=6,
                    decimals=0,
                ),
                stat(
                    "Revised downward",
                    "Counts that GitHub corrected downward in the time selected; the counters stay until the "
                    "counts exceed them. A few are normal.",
                    "sum(increase(github_exporter_downward_revisions_total[$__range]))",
                    "short",
                    ((None, "green"), (100, "orange")),
                    width=6,
                ),
                stat(
                    "Values that could not be read",
                    "Rows and values of GitHub's responses in the time selected that the exporter could not use. "
                    "GitHub may have changed a response: look for a newer version of the exporter.",
                    "sum(increase(github_exporter_unreadable_values_total[$__range]))",
                    "short",
                    ANY_IS_NOTABLE,
                    width=6,
                ),
                stat(
                    "Clock difference",
                    "GitHub's clock minus the exporter's. More than a minute: the machine's clock is wrong; the "
                    "exporter counts by GitHub's.",
                    "max(abs(github_exporter_clock_skew_seconds))",
                    "s",
                    ((None, "green"), (60, "orange"), (600, "red")),
                    width=6,
                    decimals=1,
                ),
                table(
                    "Endpoints that end",
                    "Endpoints that GitHub deprecated or will close, those that have ended first. After that day their "
                    "numbers vanish; the documentation names successors.",
                    {"collector": Label("Collector", 140), "target": Label("Target", 170)},
                    {
                        "Ends": Column(f"1000 * max by ({SOURCE}) ({SUNSET})", DAY),
                        "Ended, ago": Column(
                            f"clamp_min(time() - max by ({SOURCE}) ({SUNSET}), 0)",
                            "s",
                            ((None, "red"),),
                            words={"0": ("not yet", "green")},
                            decimals=0,
                        ),
                        "Ends in": Column(
                            f"clamp_min(max by ({SOURCE}) ({SUNSET}) - time(), 0)",
                            "s",
                            ((None, "orange"), (15_552_000, "green")),
                            words={"0": ("has ended", "red")},
                            decimals=0,
                        ),
                        "Deprecated": Column(
                            f"1000 * max by ({SOURCE}) (github_exporter_endpoint_deprecation_timestamp_seconds)", DAY
                        ),
                    },
                    sort="Ends",
                    ascending=True,
                    width=14,
                    height=6,
                    empty="GitHub has announced no end",
                ),
                table(
                    "Tokens that expire",
                    "When each credential's token expires, according to GitHub's responses. GitHub Apps and "
                    "tokens without an expiry are not listed. Replace the file before; no restart is needed.",
                    {"credential": "Credential"},
                    {
                        "Expires": Column(f"1000 * min by (credential) ({EXPIRY})", DAY),
                        "Time left": Column(
                            f"min by (credential) ({EXPIRY}) - time()",
                            "s",
                            ((None, "red"), (259_200, "orange"), (1_209_600, "green")),
                            decimals=0,
                        ),
                    },
                    sort="Time left",
                    ascending=True,
                    width=10,
                    height=6,
                    empty="No token has an end",
                ),
            ),
        ),
        Row(
            "The process",
            (
                timeseries(
                    "Series served",
                    "Series of each collector. Each costs memory in Prometheus: limits.max_series and max_series "
                    "of the collectors limit them.",
                    {"{{collector}}": "sum by (collector) (github_exporter_collector_series)"},
                    "short",
                    width=8,
                    stacked=True,
                ),
                timeseries(
                    "Memory",
                    "Resident memory of the process. It grows with the series served; otherwise it should be constant.",
                    {"{{instance}}": "max by (instance) (process_resident_memory_bytes)"},
                    "bytes",
                    ((None, "green"), (268_435_456, "orange"), (536_870_912, "red")),
                    width=8,
                ),
                timeseries(
                    "Processor",
                    "Seconds of processor time per second; 1 is a full core. It should be small: the exporter "
                    "computes when numbers change, not at scrapes.",
                    {"{{instance}}": "max by (instance) (rate(process_cpu_seconds_total[$__rate_interval]))"},
                    "percentunit",
                    ((None, "green"), (0.5, "orange"), (0.9, "red")),
                    width=8,
                ),
                table(
                    "Versions",
                    "Which build runs where, and since when.",
                    {"instance": "Instance", "version": "Version", "pythonversion": "Python"},
                    {
                        "Up for": Column(
                            "max by (instance, version, pythonversion) ((time() - process_start_time_seconds) "
                            "* on (job, instance) group_left (version, pythonversion) github_exporter_build_info)",
                            "s",
                            decimals=0,
                        )
                    },
                    sort="Instance",
                    ascending=True,
                    width=16,
                    height=5,
                ),
                stat(
                    "Scrapes cut",
                    "Scrapes in the time selected that were cut because too many ran at the same time "
                    "(--web.max-requests).",
                    "sum(increase(github_exporter_scrapes_rejected_total[$__range]))",
                    "short",
                    ANY_IS_NOTABLE,
                    width=8,
                ),
            ),
            collapsed=True,
        ),
    ),
)
