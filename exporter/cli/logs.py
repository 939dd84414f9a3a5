"""Log lines as logfmt or JSON on standard error; lines of other libraries have the same format.

The last processor masks what looks like a credential, as a second defence: nothing in the exporter logs one.
"""

import logging
import re
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from exporter.github.redaction import TOKEN

_SECRET = re.compile(
    rf"{TOKEN.pattern}|(?i:bearer|token|basic)\s+[A-Za-z0-9._~+/=-]{{8,}}"
    r"|(?<=[?&])(?i:sig|signature|token|key|x-amz-[a-z-]+|se|sp|sv)=[^&\s\"']+"
    r"|(?<=://)(?!USER:PASSWORD@)[^\s/@:]*:[^\s/@]+(?=@)"  # a proxy's login, which advice has by these words
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+"  # a JWT
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s\\]*"
)


def mask(text: str) -> str:
    """The text without anything that looks like a credential or a signature."""
    return _SECRET.sub("<secret>", text)


def configure(level: str, form: Literal["logfmt", "json"]) -> None:
    """Set up logging of the whole process."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
        _mask_all,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(default=str)
        if form == "json"
        else structlog.processors.LogfmtRenderer(key_order=["ts", "level", "event"], bool_as_flag=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _one_line, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("apscheduler", "httpx", "httpcore", "uvicorn", "asyncio", "tzlocal"):
        # httpx and httpcore log whole URLs and headers, the others nothing that an operator needs.
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _mask_all(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """All values as text without secrets, or as numbers; names with an underscore are structlog's own."""
    return {
        key: value
        if key.startswith("_") or value is None or isinstance(value, (bool, int, float))
        else _printable(mask(str(value)))
        for key, value in event.items()
    }


def _printable(text: str) -> str:
    """The text with characters escaped that a terminal or a reader of lines would obey; renderers escape line feeds."""
    return "".join(
        char if char == "\n" or char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: value if isinstance(value, (str, int, float, bool)) else str(value) for key, value in event.items()}
