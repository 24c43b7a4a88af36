"""Masking of a server's secrets in what it sends: the agent gets none of them, and so none is recorded."""

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

from contracts.mcp_registry.values import ServerSecrets
from contracts.wire import AGENT_DEPTH_HEADER
from pydantic import BaseModel

MIN_SECRET_CHARS = 8
"""Shorter values are often no secrets, and masking them everywhere would make texts unreadable."""
MIN_WORD_CHARS = 4
"""Values from here on are masked as words, if their name says that they are secrets."""
SECRET_NAME = re.compile(r"key|token|secret|pass|pwd|auth|cred|cookie|(?<![a-z])pin(?![a-z])", re.IGNORECASE)
COMMON_WORDS = frozenset({"true", "false", "none", "null", "basic", "bearer", "digest", "oauth", "oauth2", "token"})
PUBLIC_HEADERS = frozenset({"accept", "accept-language", "content-type", "user-agent", AGENT_DEPTH_HEADER.lower()})
"""Headers whose values are common words, such as `application/json`, and not secrets."""


def secret_values(secrets: ServerSecrets) -> list[str]:
    """Return the values to mask; of an Authorization header, also the credentials without their scheme."""
    return [value for _, value in _values(secrets) if len(value) >= MIN_SECRET_CHARS]


def secret_words(secrets: ServerSecrets) -> list[str]:
    """Return the shorter values to mask where they are no part of a word, such as a PIN."""
    short = ((name, value) for name, value in _values(secrets) if MIN_WORD_CHARS <= len(value) < MIN_SECRET_CHARS)
    return [value for name, value in short if SECRET_NAME.search(name) and value.lower() not in COMMON_WORDS]


def _values(secrets: ServerSecrets) -> Iterator[tuple[str, str]]:
    yield from secrets.env.items()
    for name, value in secrets.headers.items():
        if name.lower() not in PUBLIC_HEADERS:
            yield name, value
            yield name, value.partition(" ")[2]


def masked[M: BaseModel](value: M, redact: Callable[[str], str]) -> M:
    """Return the value with the secrets in its texts masked."""
    plain = value.model_dump(mode="json", by_alias=True)
    redacted = masked_json(plain, redact)
    return value if redacted == plain else type(value).model_validate(redacted)


def masked_json(value: Any, redact: Callable[[str], str]) -> Any:
    """Return a JSON value with the secrets in its names and texts masked.

    Not in its serialized form, where a secret that is also a part of the syntax would change the structure.
    """
    match value:
        case str():
            return redact(value)
        case dict():
            items = cast(dict[str, Any], value).items()
            return {redact(name): masked_json(each, redact) for name, each in items}
        case list():
            return [masked_json(each, redact) for each in cast(list[Any], value)]
        case bool() | None:
            return value
        case _:  # a secret may be a number
            text = str(value)
            return value if redact(text) == text else redact(text)
