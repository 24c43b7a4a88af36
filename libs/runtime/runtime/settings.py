"""Settings, read from the environment once at startup."""

import os
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.http.addresses import AddressRules


def _addresses(text: str) -> str:
    AddressRules.parse(text)
    return text


def _folders(text: str) -> str:
    if not all(folder.is_absolute() for folder in folders(text)):
        raise ValueError("must contain absolute paths only, separated by colons")
    return text


def folders(text: str) -> tuple[Path, ...]:
    """Return the paths in a `FolderList`."""
    return tuple(Path(part) for part in text.split(":") if part)


type AddressList = Annotated[str, AfterValidator(_addresses)]
"""Networks, addresses and host names, separated by commas, as `AddressRules.parse` reads them."""
type FolderList = Annotated[str, AfterValidator(_folders)]
"""Absolute paths, separated by colons, as `folders` reads them."""
type LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)]


MIN_SIMILARITY = 0.85
"""Similarity (0 to 1) from which a name counts as a misspelling of another."""
MAX_NAME_LENGTH = 64
IGNORED_PREFIXES = ("ANTHROPIC_", "CLAUDE_")
"""Variables of Claude Code itself, which users may have set for their own use of it."""


class Settings(BaseSettings):
    """Base class of settings. A field `nats_url` is read from `NATS_URL`; an empty variable counts as unset."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    environment: str = "development"
    log_level: LogLevel = "INFO"


class InvalidSettings(Exception):
    """One line per invalid setting, with the name of the variable and what is wrong with it."""


def load[S: Settings](settings: type[S]) -> S:
    """Read `settings` from the environment.

    Raises:
        InvalidSettings: a variable is missing or has an invalid value.
    """
    try:
        return settings()
    except ValidationError as error:
        raise InvalidSettings(
            "\n".join(
                f"{str(e['loc'][0]).upper() if e['loc'] else settings.__name__}: {_reason(e['type'], e['msg'])}"
                for e in error.errors(include_url=False, include_input=False)
            )
        ) from None


def _reason(kind: str, message: str) -> str:
    """Return the reason without the wording that is pydantic's own."""
    if kind == "missing":
        return "this variable must be set"
    reason = message.removeprefix("Value error, ").partition(", unable to parse")[0]
    return reason.replace("Input should", "must").replace("URL scheme should be", "its scheme must be")


def misspelled_settings(known: Collection[str], prefixes: tuple[str, ...] = ()) -> list[str]:
    """Return a warning for each environment variable that looks like a misspelled setting. Values are not read.

    Args:
        known: the names of all settings, in upper case.
        prefixes: a variable with such a prefix counts as a misspelling of the most similar setting, however different.
    """
    names = [name for name in os.environ if len(name) <= MAX_NAME_LENGTH]  # noqa: TID251  only names
    return [
        f"{name} is not a setting and has no effect. Did you mean {nearest}?"
        for name in sorted(names)
        if name.upper() not in known and not name.upper().startswith(IGNORED_PREFIXES)
        for nearest in get_close_matches(
            name.upper(), known, 1, 0 if name.upper().startswith(prefixes) else MIN_SIMILARITY
        )
    ]
