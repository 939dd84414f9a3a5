"""The section `discover`: targets that GitHub names instead of the operator."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from exporter.options import Duration, Integer, split_list
from exporter.settings.section import Section
from exporter.settings.value_types import CredentialName, TargetName


def _glob(value: str) -> str:
    text = value.strip().lower()
    if not re.fullmatch(r"[a-z0-9_*?-]{1,100}", text):
        raise ValueError("must be a pattern of names such as acme-*: letters, digits, hyphens, underscores, * and ?")
    return text


Globs = Annotated[tuple[Annotated[str, AfterValidator(_glob)], ...], BeforeValidator(split_list)]
"""Patterns of lower-case names: `*` is any text, `?` any character."""


class DiscoverEntry(Section):
    """A credential that GitHub is asked with which organizations and enterprises there are."""

    credential: CredentialName | None = Field(
        None,
        description="Which of `credentials` asks, and then reads what it found. A GitHub App finds where it is "
        "installed, a token the organizations that its user administers.",
        examples=["app"],
    )
    enterprise: TargetName | None = Field(
        None,
        description="With a token: find all organizations of this enterprise instead.",
        examples=["acme-corp"],
    )
    include: Globs = Field(("*",), description="Patterns of the names that are taken.")
    exclude: Globs = Field((), description="Patterns of the names that are left out.", examples=[["*-sandbox"]])
    interval: Duration = Field(3600.0, description="How often GitHub is asked.")
    max_targets: Annotated[Integer, Field(ge=1, le=20_000)] = Field(
        1_000, description="Most organizations and enterprises that are taken; what comes later is left out."
    )

    @property
    def key(self) -> str:
        """Its name in state and log: no two entries have the same."""
        return f"{self.credential} {self.enterprise}" if self.enterprise else f"{self.credential}"

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        if isinstance(value, str):
            return {"credential": value}
        if not isinstance(value, dict):
            what = "is empty" if value is None else "is neither text nor a mapping"
            raise ValueError(f"{what}: write CREDENTIAL, or {{credential: CREDENTIAL}}")  # noqa: TRY004 - pydantic's
        return value
