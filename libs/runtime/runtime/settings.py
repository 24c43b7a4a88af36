"""Settings come from the environment, once, at start."""

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Base of every process's settings: a field `nats_url` is read from `NATS_URL`; an empty one counts as unset."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    environment: str = "development"
    log_level: str = "INFO"


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
                f"{'_'.join(map(str, e['loc'])).upper() or settings.__name__}: {e['msg']}"
                for e in error.errors(include_url=False)
            )
        ) from None
