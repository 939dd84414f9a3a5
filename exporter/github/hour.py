"""The hour of GitHub's rate limits, with what clocks and networks may add to it. Each addition has its own reason."""

from exporter.instants import HOUR

REQUEST_TIMEOUT = 30.0
"""Seconds after which the client gives up a request."""
HOUR_WINDOW = HOUR + REQUEST_TIMEOUT
"""The budget's hour: a request counts when it arrives, which may be up to the timeout later than it was sent."""
LONGEST_WINDOW = HOUR + 60.0
"""GitHub's rate-limit windows last an hour; a minute more allows for clocks that differ."""
LONGEST_BLOCK = LONGEST_WINDOW + 40.0
"""40 s more, because our estimate of GitHub's clock may change meanwhile. A longer block means that a clock jumped."""
