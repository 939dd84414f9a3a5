"""The style sheet, and the content security policy that allows it and nothing else."""

import base64
import hashlib
from importlib.resources import files

STYLE = (files(__package__) / "templates" / "style.css").read_text(encoding="utf-8")
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CSP = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
