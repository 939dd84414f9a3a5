"""The machine's own store of certificate authorities, which its distribution and its administrators keep."""

import os
import re
import ssl
from pathlib import Path
from typing import NamedTuple

BUNDLES = (
    "/etc/ssl/cert.pem",  # Alpine, Arch, Fedora, RHEL 9
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu
    "/etc/pki/tls/certs/ca-bundle.crt",  # RHEL 8
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL 10, Fedora 43
    "/etc/ssl/ca-bundle.pem",  # SUSE
)
"""Where distributions keep it. An OpenSSL that was not built for one of them, such as uv's, looks elsewhere."""

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")


class SystemStore(NamedTuple):
    """A file with all certificates, or a folder with one file for each, named by hash; or both."""

    file: Path | None
    folder: Path | None


def find_system_store() -> SystemStore | None:
    """The store of this machine, None if it has none.

    That is what OpenSSL uses by default, so the variables SSL_CERT_FILE and SSL_CERT_DIR count as they do for curl.
    """
    places = ssl.get_default_verify_paths()  # of files and folders that there are
    folder = Path(places.capath) if places.capath and _has_certificates(places.capath) else None
    file = Path(places.cafile) if places.cafile else None
    if not file and not folder:
        file = next((Path(path) for path in BUNDLES if Path(path).is_file()), None)
    return SystemStore(file, folder) if file or folder else None


def _has_certificates(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(_HASHED.fullmatch(entry.name) for entry in entries)
    except OSError:
        return False
