"""`simulate`: the simulated GitHub alone, on the wall clock."""

from exporter import output
from exporter.cli.serve import serve
from exporter.clock import SystemClock
from exporter.settings import Settings, parse_address
from exporter.signals import watched
from exporter.simulator.serve import serving
from exporter.simulator.showcase import APPLIANCES, ENTERPRISE, SIZES, open_github, rehearse


def main(settings: Settings) -> int:
    """Simulate until SIGTERM or SIGINT."""
    return serve(settings, _simulate(settings))


async def _simulate(settings: Settings) -> None:
    stop = watched().stop
    host, port = parse_address(settings.web.listen_address[0])
    github = open_github(SystemClock().wall)
    rehearse(github, settings.simulate.fault)
    async with serving(github, host or "0.0.0.0", port) as api_url:  # noqa: S104 - the operator asked for all
        appliances = ", ".join(f"{api_url}/{appliance.name}/api/v3" for appliance in APPLIANCES)
        output.write(
            f"A simulated GitHub is at {api_url}; any token works; organizations: {', '.join(SIZES)}\n"
            f"Their enterprise is {ENTERPRISE}; it has appliances at {appliances}\n"
        )
        await stop.wait()
