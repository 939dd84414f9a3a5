"""The exporter itself: collectors, budgets, rate limits, errors, freshness."""

from grafana.board import Board, Row, choices
from grafana.links import cell, to
from grafana.panels import ANY_IS_BAD, ANY_IS_NOTABLE, Column, Steps, stat, table, timeline, timeseries

STATE = "github_exporter_endpoint_state"
SUCCESS = "github_exporter_collector_success"
LAST = "github_exporter_collector_last_success_timestamp_seconds"
NEXT = "github_exporter_collector_next_run_timestamp_seconds"
SENT = "github_exporter_api_requests_total"
ERRORS = "github_exporter_collector_errors_total"
EXPIRY = "github_exporter_credential_expiry_timestamp_seconds"
SUNSET = "github_exporter_endpoint_sunset_timestamp_seconds"
LEFT: Steps = ((None, "red"), (0.1, "orange"), (0.2, "green"))
USED: Steps = ((None, "green"), (0.8, "orange"), (1, "red"))
AGE: Steps = ((None, "green"), (90_000, "orange"), (259_200, "red"))
WORKS = {"0": ("fails", "red"), "1": ("works", "green")}
STATES = {
    "1": ("ok", "green"),
    "2": ("rate_limited", "yellow"),
    "3": ("unavailable", "orange"),
    "4": ("invalid", "orange"),
    "5": ("not_found", "red"),
    "6": ("forbidden", "red"),
    "7": ("retired", "purple"),
}
SOURCE = "collector, target"


def state() -> str:
    """The number of the state in which each source is, in the order of `STATES`."""
    return " or ".join(
        f'{number} * max by ({SOURCE}) ({STATE}{{state="{name}"}} == 1)' for number, (name, _) in STATES.items()
    )


def per_source(metric: str) -> str:
    """The number of each source."""
    return f"max by ({SOURCE}) ({metric})"


EXPORTER = Board(
    name="exporter",
    title="GitHub Enterprise / Exporter",
    description="Does the exporter work: which source fails and why, how old the numbers are, and how much of "
    "GitHub's rate limit is used.",
    since="now-6h",
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
                    "to once a day.",
                    f"max(time() - {LAST})",
                    "s",
                    AGE,
                    decimals=0,
                ),
                stat(
                    "State not saved",
                    "Failed writes to the state folder in the time selected. While it cannot be written, new "
                    "counters stay at 0; the disk may be full.",
                    "sum(increase(github_exporter_state_writes_failed_total[$__range]))",
                    "short",
                    ANY_IS_BAD,
                    decimals=0,
                ),
                table(
                    "Sources",
                    "Each collector and target: state of the endpoint, age of the numbers, time to the next "
                    "attempt, duration, number of series, rows summed as other, and failures in the time "
                    "selected.",
                    {"collector": "Collector", "target": "Target"},
                    {
                        "State": Column(state(), "none", words=STATES),
                        "Last attempt": Column(per_source(SUCCESS), "none", words=WORKS),
                        "Read": Column(per_source(f"time() - {LAST}"), "s", AGE, decimals=0),
                        "Data from": Column(
                            per_source("time() - github_exporter_collector_data_timestamp_seconds"), "s", decimals=0
                        ),
                        "Next attempt in": Column(
                            per_source(f"{NEXT} - time()"), "s", ((None, "orange"), (-60, "blue")), decimals=0
                        ),
                        "Took": Column(per_source("github_exporter_collector_duration_seconds"), "s", decimals=1),
                        "Series": Column(per_source("github_exporter_collector_series"), "short"),
                        "Rows in other": Column(
                            per_source("github_exporter_collector_series_folded"), "short", ANY_IS_NOTABLE
                        ),
                        "Failures": Column(
                            f"sum by ({SOURCE}) (increase({ERRORS}[$__range]))", "short", ANY_IS_NOTABLE, decimals=0
                        ),
                    },
                    sort="Failures",
                    height=12,
                    clicks={
                        "collector": (("Only this collector", to("exporter", collector=cell("collector"))),),
                        "target": (("Only this target", to("exporter", target=cell("target"))),),
                    },
                ),
                timeline(
                    "When did it fail?",
                    "The last attempt of each source over time: green works, red failed. Red for all targets of "
                    "a collector: a fault at GitHub or a permission; for all collectors of a target: the "
                    "credential.",
                    per_source(SUCCESS),
                    "{{collector}} {{target}}",
                    WORKS,
                ),
                timeseries(
                    "Failures by reason",
                    "Failed attempts in the hour before each point, the ten most frequent. credential and "
                    "forbidden need action; unavailable and rate_limited usually pass.",
                    {"{{collector}}: {{reason}}": f"topk(10, sum by (collector, reason) (increase({ERRORS}[1h])))"},
                    "short",
                    ANY_IS_NOTABLE,
                    decimals=0,
                ),
                timeseries(
                    "Age of the numbers",
                    "Time since the last complete read of each collector's oldest target. A line that only "
                    "climbs is a source that fails or waits.",
                    {"{{collector}}": f"max by (collector) (time() - {LAST})"},
                    "s",
                    AGE,
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
                    LEFT,
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
                    decimals=0,
                ),
                table(
                    "Quota pools",
                    "Each credential's limit, what is left of it, when it resets, and the exporter's own budget.",
                    {"pool": "Quota pool"},
                    {
                        "Limit per hour": Column("max by (pool) (github_exporter_rate_limit_limit)", "short"),
                        "Left": Column("min by (pool) (github_exporter_rate_limit_remaining)", "short"),
                        "Left, share": Column(
                            "min by (pool) (github_exporter_rate_limit_remaining / github_exporter_rate_limit_limit)",
                            "percentunit",
                            LEFT,
                            decimals=0,
                        ),
                        "Resets in": Column(
                            "clamp_min(max by (pool) (github_exporter_rate_limit_reset_timestamp_seconds) - time(), 0)",
                            "s",
                            decimals=0,
                        ),
                        "Own budget": Column("max by (pool) (github_exporter_api_budget_requests)", "short"),
                        "Own requests, last hour": Column(f"sum by (pool) (increase({SENT}[1h]))", "short", decimals=0),
                    },
                    sort="Left, share",
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
                    decimals=0,
                ),
                stat(
                    "Values that could not be read",
                    "Rows and values of GitHub's responses in the time selected that the exporter could not use. "
                    "GitHub may have changed a response: look for a newer version of the exporter.",
                    "sum(increase(github_exporter_unreadable_values_total[$__range]))",
                    "short",
                    ANY_IS_NOTABLE,
                    width=6,
                    decimals=0,
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
                    "Endpoints that GitHub deprecated or will close. After that day their numbers vanish; the "
                    "documentation names successors.",
                    {"collector": "Collector", "target": "Target"},
                    {
                        "Deprecated since": Column(
                            f"1000 * max by ({SOURCE}) (github_exporter_endpoint_deprecation_timestamp_seconds)",
                            "dateTimeAsIso",
                        ),
                        "Ends": Column(f"1000 * max by ({SOURCE}) ({SUNSET})", "dateTimeAsIso"),
                        "Time left": Column(
                            f"max by ({SOURCE}) ({SUNSET}) - time()",
                            "s",
                            ((None, "red"), (2_592_000, "orange"), (15_552_000, "green")),
                            decimals=0,
                        ),
                    },
                    sort="Time left",
                    ascending=True,
                    height=6,
                ),
                table(
                    "Tokens that expire",
                    "When each credential's token expires, according to GitHub's responses. GitHub Apps and "
                    "tokens without an expiry are not listed. Replace the file before; no restart is needed.",
                    {"credential": "Credential"},
                    {
                        "Expires": Column(f"1000 * min by (credential) ({EXPIRY})", "dateTimeAsIso"),
                        "Time left": Column(
                            f"min by (credential) ({EXPIRY}) - time()",
                            "s",
                            ((None, "red"), (259_200, "orange"), (1_209_600, "green")),
                            decimals=0,
                        ),
                    },
                    sort="Time left",
                    ascending=True,
                    height=5,
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
                    decimals=0,
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
                    decimals=0,
                ),
            ),
            collapsed=True,
        ),
    ),
)
