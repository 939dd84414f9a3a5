"""What guards the exporter against each row of the matrix, and how to remove it: see `unguarded.py`."""

from dataclasses import dataclass

GITHUB = "exporter/github/"
READING = "exporter/collectors/reading/"


@dataclass(frozen=True)
class Edit:
    """How one guard is removed: a text that its file has once, and what stands there instead."""

    file: str
    text: str
    instead: str


@dataclass(frozen=True)
class Guard:
    """What guards against some rows.

    - `rows`: the names of those that must fail without it.
    - `edits`: how it is removed; several where one alone is not enough, because the fault is guarded twice.
    - `library`: instead of edits, the library that guards, and how.
    - `longest`: seconds until a fault must have been noticed, and until all must work again.
    """

    what: str
    rows: tuple[str, ...]
    edits: tuple[Edit, ...] = ()
    library: str = ""
    longest: float = 25.0


def status(number: int, kind: str, *rows: str) -> Guard:
    """A status that has a meaning of its own."""
    text = f"    {number}: {kind},\n"
    return Guard(f"{number} has a meaning of its own", rows, (Edit(f"{GITHUB}responses.py", text, ""),))


UNCHECKED = Edit(
    f"{READING}rows.py",
    '        raise Invalid(f"the answer is no {model.__name__}: {_first_complaint(error)}") from None\n',
    "        return model.model_construct(total_request_count=0, rate_limited_request_count=0)\n",
)
UNDECODED = Edit(f"{GITHUB}decoding.py", '    raise Invalid("the answer is no JSON")\n', "    return {}\n")
UNBOUNDED = (
    Edit(f"{GITHUB}bodies.py", "        if received > most:\n", "        if False:\n"),
    Edit(f"{GITHUB}bodies.py", "            if yielded > most:\n", "            if False:\n"),
    Edit(f"{GITHUB}decoding.py", "    _check_size(body)\n", ""),
)
NO_DEADLINE = Edit(f"{GITHUB}sender.py", "async with asyncio.timeout(seconds):", "async with asyncio.timeout(None):")
NO_BACKSTOP = Edit(
    f"{GITHUB}sender.py", "httpx.Timeout(bounds.request_seconds, connect=bounds.connect_seconds)", "httpx.Timeout(None)"
)

OF_GITHUB = (
    status(401, "CredentialRejected", "401: the token is revoked", "401 for one endpoint"),
    status(403, "Forbidden", "403: a permission is missing", "403: an IP allow list"),
    status(404, "NotFound", "404: switched off, hidden or unknown", "302 to another page of the same host"),
    status(410, "Retired", "410: the endpoint is closed"),
    Guard(
        "a 5xx is a passing failure",
        ("500", "502 for longer than max_age", "503 and Retry-After", "504"),
        (Edit(f"{GITHUB}responses.py", "is_server_error = 500 <= status < 600", "is_server_error = False"),),
    ),
    Guard(
        "only a 2xx with all figures is a success",
        (
            "400: the API version is unknown",
            "422: the range is not allowed",
            "202 without figures",
            "204: no content",
            "304 though nothing was kept",
        ),
        (
            Edit(
                f"{GITHUB}responses.py",
                "    if 200 <= status < 300:\n",
                "    if 200 <= status < 300 or status in (304, 400, 422):\n",
            ),
            UNCHECKED,
            UNDECODED,
        ),
    ),
    Guard(
        "403 and 429 may be limits",
        (
            "the primary limit, with its reset",
            "429 and Retry-After",
            "429 without a header",
            "Retry-After is no number",
            "Retry-After is below zero",
            "Retry-After of a thousand years",
        ),
        (Edit(f"{GITHUB}responses.py", "    if status in (403, 429):\n", "    if False:\n"),),
    ),
    Guard(
        "a limit that names no time is one",
        ("429 without a header", "Retry-After is no number", "Retry-After is below zero"),
        (Edit(f"{GITHUB}responses.py", "    if status == 429 or retry_after is not None:\n", "    if False:\n"),),
    ),
    Guard(
        "no wait is longer than GitHub's hour",
        ("Retry-After of a thousand years",),
        (
            Edit(f"{GITHUB}responses.py", "return min(seconds, LONGEST_WAIT) if", "return seconds if"),
            Edit(f"{GITHUB}pacing.py", "if 0 < self.blocked_until - now <= LONGEST_BLOCK else", "if True else"),
            Edit(
                "exporter/collecting/due.py",
                "return min(max(now, error.until - skew), now + LONGEST_BLOCK)",
                "return max(now, error.until - skew)",
            ),
        ),
    ),
    Guard(
        "redirects and links stay at the API's host",
        ("301 to another host", "302 to the cloud's metadata", "a next page on another host"),
        (
            Edit(
                f"{GITHUB}links.py",
                "    if _origin(url) != _origin(root) or url.userinfo:\n",
                # nobody's metadata are read, not even here
                '    url = url.copy_with(host="metadata.invalid") if url.host[:4] == "169." else url\n    if False:\n',
            ),
        ),
    ),
    Guard(
        "redirects are counted",
        ("307 to itself, for ever",),
        (Edit(f"{GITHUB}sender.py", "range(self._bounds.redirects + 1)", "range(10**9)"),),
    ),
    Guard(
        "no page is read twice, and there are only so many",
        ("a next page that is this page",),
        (
            Edit(f"{GITHUB}client.py", "            if str(url) in visited:\n", "            if False:\n"),
            Edit(f"{GITHUB}client.py", "for _page in range(self._bounds.pages):", "for _page in range(10**9):"),
        ),
    ),
    Guard(
        "a web page is no answer",
        ("a page for people, with 200",),
        (
            Edit(f"{GITHUB}responses.py", "        if not is_web_page(body):\n", "        if True:\n"),
            UNDECODED,
            UNCHECKED,
        ),
    ),
    Guard(
        "failures of a connection are known by their kind",
        (
            "the body ends too early",
            "the connection ends before the body",
            "connections are refused",
            "connections are reset",
            "connections are reset within the answer",
            "no TLS where TLS should be",
            "the certificate has expired",
            "the certificate is another host's",
            "the certificate's authority is unknown",
        ),
        (
            Edit(
                f"{GITHUB}sender.py",
                "            return as_github_error(error, request.url)\n",
                "            return Invalid(type(error).__name__)\n",
            ),
        ),
    ),
    Guard("a request has a deadline as a whole", ("a byte per second",), (NO_DEADLINE,), longest=45),
    Guard(
        "silence has a deadline",
        ("no answer at all", "connections are accepted, then silence", "the TLS handshake stalls"),
        (NO_DEADLINE, NO_BACKSTOP),
        longest=45,
    ),
    Guard(
        "certificates are verified",
        (
            "the certificate has expired",
            "the certificate is another host's",
            "the certificate's authority is unknown",
        ),
        (
            Edit(
                f"{GITHUB}network/authorities.py",
                "    return context\n\n\ndef _of_machine",
                "    context.check_hostname = False\n    context.verify_mode = ssl.CERT_NONE\n"
                "    return context\n\n\ndef _of_machine",
            ),
        ),
    ),
    Guard(
        "what is no JSON is no answer",
        ("JSON that ends in the middle", "JSON a hundred thousand levels deep", "bytes that are no text"),
        (UNDECODED, UNCHECKED),
    ),
    Guard(
        "each figure must be a count",
        (
            "JSON of another kind",
            "words for numbers",
            "null for a number",
            "a field is missing",
            "NaN for a number",
            "a number beyond all bounds",
            "a count below zero",
            "a count of twenty digits",
        ),
        (UNCHECKED,),
    ),
    Guard(
        "bodies are bounded, as sent and as decompressed",
        ("a megabyte that becomes a hundred", "a body of sixty megabytes"),
        UNBOUNDED,
        longest=45,
    ),
    Guard(
        "an encoding that was not asked for is refused",
        ("an encoding that nobody asked for",),
        (
            Edit(
                f"{GITHUB}bodies.py",
                '    if encoding not in ("", "identity", "gzip", "x-gzip"):\n',
                "    if False:\n",
            ),
        ),
    ),
    Guard(
        "new fields are taken, and counted",
        ("a field that is new",),
        (Edit(f"{READING}rows.py", "            if unknown is not None:\n", "            if False:\n"),),
    ),
    Guard(
        "one Date alone moves no clock",
        ("a Date of another year",),
        (
            Edit(
                f"{GITHUB}server_clock.py",
                "if date is None or not _EARLIEST <= date < _LATEST:",
                "if date is None:",
            ),
            Edit(
                f"{GITHUB}server_clock.py",
                "        if abs(jump) > JUMP and not self._agrees(observed):\n",
                "        if False:\n",
            ),
            Edit(
                "exporter/collecting/attempt.py",
                "    for _ in range(2):\n        if not is_odd():\n",
                "    for _ in range(0):\n        if not is_odd():\n",
            ),
        ),
    ),
    Guard(
        "an announced end is shown",
        ("the endpoint will end",),
        (
            Edit(
                f"{GITHUB}pacing.py",
                "closing = Closing.from_headers(headers) if status < 500 else OPEN",
                "closing = OPEN",
            ),
        ),
    ),
    Guard(
        "a page of unreadable rows is no page",
        ("a list whose rows cannot be read",),
        (Edit(f"{READING}rows.py", "        if not rows:\n", "        if False:\n"),),
    ),
)

OF_FIGURES = (
    Guard(
        "the last figures stay after a failure",
        ("500", "no answer at all", "connections are refused"),
        (
            Edit(
                "exporter/collecting/conclude.py",
                "return Conclusion(_end_attempt(job, before, before, attempt, result), result)",
                "return Conclusion(_end_attempt(job, before, Snapshot(), attempt, result), result)",
            ),
        ),
        longest=40,
    ),
    Guard(
        "gauges go when they are older than max_age",
        ("401: the token is revoked",),
        (
            Edit(
                "exporter/collecting/heartbeat.py",
                "            if now > entry.status.until:\n",
                "            if False:\n",
            ),
        ),
    ),
    Guard(
        "a failure is logged once",
        ("502 for longer than max_age",),
        (
            Edit(
                "exporter/collecting/tick.py",
                "    elif error is not None and (error.reason, error.hint) != (reason, hint):\n",
                "    elif error is not None:\n",
            ),
        ),
    ),
    Guard(
        "a token is taken out of what GitHub says",
        ("403: an error that repeats the token",),
        (
            Edit(
                f"{GITHUB}client.py",
                "body = reply.body if reply.status < 300 else ",
                "body = reply.body if True else ",
            ),
            Edit(f"{GITHUB}redaction.py", 'TOKEN.sub("<token>", _QUERY', "(lambda text: text)(_QUERY"),
            Edit("exporter/cli/logs.py", '    return _SECRET.sub("<secret>", text)\n', "    return text\n"),
        ),
    ),
)

OF_OPERATORS = (
    Guard(
        "the last token stays in use while its file cannot be read",
        (
            "the token's file is deleted",
            "the token's file is empty",
            "a folder in place of the token's file",
            "a pipe in place of the token's file",
        ),
        (
            Edit(
                f"{GITHUB}secret_files/__init__.py",
                "        self._trouble = trouble\n        return self._read\n",
                "        self._trouble = trouble\n        return trouble or self._read\n",
            ),
        ),
    ),
    Guard(
        "only regular files are opened",
        ("a pipe in place of the token's file",),
        (
            Edit(
                "exporter/regular_files.py",
                '    with os.fdopen(open_regular(path), "rb") as file:\n',
                '    with path.open("rb") as file:\n',
            ),
        ),
    ),
    Guard(
        "a token's file is read again when it changes",
        ("the token rotates as in Kubernetes", "401: the token is revoked"),
        (
            Edit(
                f"{GITHUB}secret_files/__init__.py",
                "            if version == self._version:\n",
                "            if self._version:\n",
            ),
        ),
    ),
    Guard(
        "a configuration with a mistake is refused",
        ("a reload with a broken configuration",),
        (Edit("exporter/reloads.py", "except (SettingsError, GitHubError) as error:", "except GitHubError as error:"),),
    ),
    Guard(
        "a refused configuration is shown",
        ("a reload with a broken configuration",),
        (Edit("exporter/reloads.py", "            self._refuse(problem)\n", ""),),
    ),
    Guard(
        "SIGHUP is handled from the first moment",
        ("fifty reloads at once",),
        (
            Edit("exporter/signals.py", "        signal.signal(signal.SIGHUP, _remember)\n", ""),
            Edit("exporter/signals.py", "    signal.signal(signal.SIGHUP, _setter(signals.hangup, loop))\n", ""),
        ),
    ),
    Guard(
        "a refused web configuration is shown",
        ("a broken web configuration",),
        (Edit("exporter/serving/web_config.py", "        if problem:\n", "        if False:\n"),),
    ),
    Guard(
        "the state folder has one exporter",
        ("a second exporter with the same state",),
        (
            Edit(
                "exporter/state/folder.py",
                "            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
                "            pass\n",
            ),
        ),
    ),
)

OF_CLIENTS = (
    Guard(
        "a client has a deadline for its request",
        ("connections that say nothing", "requests that come byte by byte", "requests that never end"),
        (
            Edit(
                "exporter/serving/connection.py",
                "            self.deadline = self.loop.call_later(seconds, self._miss_deadline)\n",
                "            pass\n",
            ),
        ),
    ),
    Guard(
        "a scrape that does not read makes room for others",
        ("answers that are read a kilobyte a second",),
        (
            Edit(
                "exporter/serving/http.py",
                "            if self._places.locked():\n                self._make_room()\n",
                "",
            ),
        ),
    ),
    Guard(
        "a client that has left is no error",
        ("clients that leave before the answer",),
        (
            Edit(
                "exporter/serving/connection.py",
                "    except OSError:  # how ASGI reports a client that left; see `Connection._send`\n",
                "    except ZeroDivisionError:\n",
            ),
            Edit(
                "exporter/serving/connection.py",
                "        except ConnectionResetError:\n            pass",
                "        except ZeroDivisionError:\n            pass",
            ),
        ),
    ),
    Guard(
        "a scrape gives its place back",
        ("fifty scrapes at a time",),
        (Edit("exporter/serving/http.py", "            self._places.release()\n", "            pass\n"),),
    ),
    Guard(
        "a request's header has a size",
        ("a header of a megabyte", "a path of a hundred thousand characters"),
        (
            Edit(
                "exporter/serving/server.py",
                "h11_max_incomplete_event_size=limits.header_bytes",
                "h11_max_incomplete_event_size=10**9",
            ),
            Edit(
                "exporter/serving/connection.py",
                "            if header_bytes > self.limits.header_bytes:",
                "            if False:",
            ),
        ),
    ),
    Guard("what is no HTTP gets 400", ("bytes that are no HTTP",), library="h11 refuses them, and uvicorn answers"),
    Guard(
        "a header that cannot be read is ignored",
        ("headers of nonsense",),
        (Edit("exporter/serving/negotiation.py", "    except ValueError:\n", "    except ZeroDivisionError:\n"),),
    ),
    Guard(
        "only GET and HEAD are answered",
        ("methods that are not allowed",),
        (Edit("exporter/serving/http.py", 'elif scope["method"] not in ("GET", "HEAD"):', "elif False:"),),
    ),
)

UNCAUGHT = Edit("exporter/state/database.py", "except _FAILURES as error:", "except ZeroDivisionError as error:")
OF_PROCESS = (
    Guard(
        "what is shown was saved before",
        ("kill -9", "kill -9, five times", "SIGTERM, and a start"),
        (
            Edit(
                "exporter/state/database.py",
                '        text = "".join(in_pieces(dump(snapshot)))\n',
                '        return True\n        text = "".join(in_pieces(dump(snapshot)))\n',
            ),
        ),
    ),
    Guard(
        "a run that is late still takes place",
        ("the machine is suspended", "the clock is set forward by a day"),
        (Edit("exporter/collecting/timers.py", '"misfire_grace_time": None', '"misfire_grace_time": 1'),),
    ),
    Guard(
        "a clock that was set back is noticed",
        ("the clock is set back by an hour", "the clock is a day ahead for a while"),
        (
            Edit(
                "exporter/collecting/heartbeat.py",
                "        if abs(jump) < CLOCK_JUMP:\n            return\n",
                "        return\n",
            ),
        ),
    ),
    Guard(
        "windows follow GitHub's clock",
        ("the clock is set back by an hour",),
        (
            Edit(
                f"{GITHUB}server_clock.py",
                "offset = observed if not self.known or abs(jump) > blur else self.offset",
                "offset = 0.0",
            ),
        ),
    ),
    Guard("a state that cannot be written stops nothing", ("the disk is full",), (UNCAUGHT,)),
    Guard(
        "what others do to the state is noticed",
        ("the state folder is deleted", "the state file is overwritten"),
        (
            Edit(
                "exporter/state/database.py",
                "        changes = file.changes()\n",
                "        changes = dict[str, str]()\n",
            ),
            UNCAUGHT,
        ),
    ),
)

GUARDS = (*OF_GITHUB, *OF_FIGURES, *OF_OPERATORS, *OF_CLIENTS, *OF_PROCESS)
