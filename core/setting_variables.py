"""Settings out of `TOPICIDX_*` variables."""

from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as VariableError

from topicidx.checks import model_of
from topicidx.errors import SettingsError
from topicidx.settings import PREFIX, Settings

_Model: Any = model_of(Settings)


class _Variables(_Model, BaseSettings):  # type: ignore[misc]  # what it is made from is made on the way
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True, extra="forbid", frozen=True
    )


def read_variables() -> dict[str, Any]:
    """What variables say, nested ones in tables, not yet checked. Raises SettingsError for what is not the JSON it should be."""
    try:
        return EnvSettingsSource(_Variables)()
    except VariableError as error:
        raise SettingsError(f"cannot read a {PREFIX} variable: {error}") from error
