"""Settings come from the environment, once, at start."""

import os
from collections.abc import Collection
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import BeforeValidator, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

type LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)]


LIKENESS = 0.85
"""How alike two names are of which one is taken for a misspelling of the other (0 to 1)."""
MAX_NAME_LENGTH = 64
UNRELATED = ("ANTHROPIC_", "CLAUDE_")
"""Of the agent's own program, which its user may have configured: nothing of ours."""


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


def misspelt(known: Collection[str], prefixes: tuple[str, ...] = ()) -> list[str]:
    """Return a warning for each environment variable that looks like a misspelt setting. Only names are looked at.

    Args:
        known: the names of all settings, in capitals.
        prefixes: what begins like this is taken for a setting, however unlike the known ones it is.
    """
    names = [name for name in os.environ if len(name) <= MAX_NAME_LENGTH]  # noqa: TID251  the names alone
    return [
        f"{name} is not a setting and has no effect. Did you mean {nearest}?"
        for name in sorted(names)
        if name.upper() not in known and not name.upper().startswith(UNRELATED)
        for nearest in get_close_matches(name.upper(), known, 1, 0 if name.upper().startswith(prefixes) else LIKENESS)
    ]
