"""Settings as flags, and flags as settings."""

from typing import Any

import typer

from app.settings import Settings


def setting(name: str, **more: Any) -> Any:
    """A flag for a setting, with the meaning, unit and default that the setting declares."""
    field = Settings.model_fields[name]
    default = ":".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
    shown = "" if default is None else f"default: {default}; "
    return typer.Option(help=f"{field.description}  [{shown}JJT_{name.upper()}]", show_default=False, **more)


def settings_of(**flags: Any) -> Settings:
    """The settings of the flags that were given; the others are as ever."""
    return Settings(**{name: value for name, value in flags.items() if value is not None})
