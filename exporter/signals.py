"""What the operating system tells the process."""

import asyncio
import signal


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT; SIGHUP, which would end the process, does nothing until told otherwise."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    return stop
