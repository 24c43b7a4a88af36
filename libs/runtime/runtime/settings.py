"""Settings, read from the environment once at startup."""

import os
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.http.addresses import AddressRules
from runtime.secrets.secret_file import read_secret


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


PUBLIC_MODEL = "https://api.anthropic.com"
"""The model API that a key belongs to unless another one is set."""
MAY_BE_EMPTY = "may be empty"
"""Marks a secret whose file may be empty, and then counts as unset: a user may write the secret into it later."""
MIN_SIMILARITY = 0.85
"""Similarity (0 to 1) from which a name counts as a misspelling of another."""
MAX_NAME_LENGTH = 64
REASONS = {
    "bool_parsing": "must be true or false",
    "float_parsing": "must be a number",
    "int_parsing": "must be a whole number",
    "missing": "this variable must be set",
    "path_not_file": "there is no such file",
    "url_parsing": "must be a URL that begins with https:// or http://",
}
"""What is wrong with a value, where pydantic's own words would not help an operator."""
IGNORED_PREFIXES = ("ANTHROPIC_", "CLAUDE_")
"""Variables of Claude Code itself, which users may have set for their own use of it."""


class Settings(BaseSettings):
    """Base class of settings. A field `nats_url` is read from `NATS_URL`; an empty variable counts as unset.

    If the field is a secret (`is_secret`), it may also be in a file, which `NATS_URL_FILE` names.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    environment: str = "development"
    log_level: LogLevel = "INFO"


class InvalidSettings(Exception):
    """One line per invalid setting, with the name of the variable and what is wrong with it."""


def load[S: Settings](settings: type[S]) -> S:
    """Read `settings` from the environment, and from the files that it names.

    Raises:
        InvalidSettings: a variable is missing or has an invalid value, or a file cannot be used.
    """
    values, unusable = _from_files(settings)
    try:
        result = cast(Any, settings)(**values)
    except ValidationError as error:
        wrong = [(e["loc"][:1], _reason(e["type"], e["msg"])) for e in error.errors(include_input=False)]
        lines = [f"{_variable(loc, values)}{why}" for loc, why in wrong if {*loc}.isdisjoint(unusable)]
        raise InvalidSettings("\n".join([*unusable.values(), *lines])) from None
    if unusable:
        raise InvalidSettings("\n".join(unusable.values()))
    return result


def is_secret(field: FieldInfo) -> bool:
    """Return whether a setting is a secret: one that `repr` does not show, or a `SecretStr`."""
    return not field.repr or SecretStr in (field.annotation, *get_args(field.annotation))


def variables_of(settings: type[Settings]) -> set[str]:
    """Return the names of all variables that settings are read from."""
    files = {f"{name.upper()}_FILE" for name, field in settings.model_fields.items() if is_secret(field)}
    return files | {name.upper() for name in settings.model_fields}


def _from_files(settings: type[Settings]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the secrets that are in files, and a line with the reason for each one whose file cannot be used."""
    environment = {name.upper(): value for name, value in os.environ.items() if value}  # noqa: TID251  as pydantic does
    values, unusable = dict[str, str](), dict[str, str]()
    for field, info in settings.model_fields.items():
        name, path = field.upper(), environment.get(f"{field.upper()}_FILE") if is_secret(info) else None
        if path and name in environment:
            unusable[field] = f"{name}_FILE: {name} is set, too. Unset one of the two"
        elif path:
            try:
                values[field] = read_secret(Path(path), may_be_empty=MAY_BE_EMPTY in info.metadata)
            except ValueError as error:
                unusable[field] = f"{name}_FILE: {error}"
    return {name: text for name, text in values.items() if text}, unusable


def _variable(loc: tuple[int | str, ...], from_files: Collection[str]) -> str:
    """Return the name of the variable that is wrong, with a colon; a reason about several names them itself."""
    if not loc:
        return ""
    return f"{loc[0]}_FILE: ".upper() if loc[0] in from_files else f"{loc[0]}: ".upper()


def _reason(kind: str, message: str) -> str:
    """Return the reason without the wording that is pydantic's own."""
    reason = REASONS.get(kind, message.removeprefix("Value error, "))
    return (
        reason.replace("Input should", "must")
        .replace("String should", "must")
        .replace("URL scheme should be", "its scheme must be")
    )


def misspelled_settings(known: Collection[str], prefixes: tuple[str, ...] = ()) -> list[str]:
    """Return a warning for each environment variable that looks like a misspelled setting. Values are not read.

    Args:
        known: the names of all variables (`variables_of`).
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
