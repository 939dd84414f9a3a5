"""The section `web`: what can be set of the HTTP server."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from exporter.options import Integer
from exporter.settings.section import Section
from exporter.settings.value_types import Addresses, DocsUrl, ExternalUrl, FilePath, RoutePrefix, WebPath

DOCS_URL = "https://github.com/github-enterprise-exporter/github-enterprise-exporter/blob/main/docs"


class WebSection(Section):
    """The HTTP server."""

    listen_address: Addresses = Field((":10171",), description="Address to listen on; may be given several times.")
    systemd_socket: bool = Field(
        False, description="Take the sockets that systemd opened instead of listening on an address."
    )
    telemetry_path: WebPath = Field("/metrics", description="Path of the metrics.")
    external_url: ExternalUrl | None = Field(
        None,
        description="URL at which users reach the exporter, such as a reverse proxy's; links begin with its path.",
        examples=["https://example.com/github"],
    )
    route_prefix: RoutePrefix | None = Field(
        None,
        description="Path below which everything is served. Default: the path of the external URL; `/` if the reverse "
        "proxy removes that.",
        examples=["/github"],
    )
    max_requests: Annotated[Integer, Field(ge=0)] = Field(
        40,
        description="Most scrapes at a time: one more waits, or ends the one that began first if that takes "
        "longer than 0.1 s; 0 is no limit.",
    )
    config_file: FilePath | None = Field(
        None,
        description="File with TLS, users and more, as the exporter-toolkit has it.",
        examples=["/etc/exporter/web.yml"],
    )
    enable_lifecycle: bool = Field(False, description="Reload the configuration on `POST /-/reload`, as on SIGHUP.")
    docs_url: DocsUrl = Field(DOCS_URL, description="Where the links of the status page find this documentation.")

    @property
    def link_prefix(self) -> str:
        """What the path of every link begins with: no slash at its end, so "" for the root."""
        if self.external_url is None:
            return self.route_prefix or ""
        return urlsplit(self.external_url).path

    @property
    def prefix(self) -> str:
        """What the path of every request begins with: no slash at its end, so "" for the root."""
        return self.link_prefix if self.route_prefix is None else self.route_prefix
