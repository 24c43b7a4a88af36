"""Settings come from the environment, once, at start."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

type LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)]


class Settings(BaseSettings):
    """Base of every process's settings: a field `nats_url` is read from `NATS_URL`; an empty one counts as unset."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    environment: str = "development"
    log_level: LogLevel = "INFO"


class WrongSettings(Exception):
    """One sentence a wrong setting, each naming the variable and what is wrong with it."""


def load[S: Settings](settings: type[S]) -> S:
    """Read `settings` from the environment.

    Raises:
        WrongSettings: a variable is missing or has a value that cannot be used.
    """
    try:
        return settings()
    except ValidationError as error:
        raise WrongSettings(
            "\n".join(
                f"{str(e['loc'][0]).upper() if e['loc'] else settings.__name__}: {e['msg']}"
                for e in error.errors(include_url=False, include_input=False)
            )
        ) from None
