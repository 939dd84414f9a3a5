"""The base of every section of the settings."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of the file; unknown keys are errors, and no error repeats a value."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        model_title_generator=lambda model: model.__name__.removesuffix("Section"),
    )
