"""Masking of a server's secrets in what it sends: the agent gets none of them, and so none is recorded."""

from collections.abc import Callable, Iterator

from contracts.mcp_registry.values import ServerSecrets
from pydantic import BaseModel

MIN_SECRET_CHARS = 8
"""Shorter values are no secrets, and masking them would make texts unreadable."""


def secret_values(secrets: ServerSecrets) -> list[str]:
    """Return the values to mask; of an Authorization header, also the credentials without their scheme."""
    return [value for value in _values(secrets) if len(value) >= MIN_SECRET_CHARS]


def _values(secrets: ServerSecrets) -> Iterator[str]:
    yield from secrets.env.values()
    for value in secrets.headers.values():
        yield value
        yield value.partition(" ")[2]


def masked[M: BaseModel](value: M, redact: Callable[[str], str]) -> M:
    """Return the value with the secrets in its texts masked."""
    text = value.model_dump_json(by_alias=True)
    redacted = redact(text)
    return value if redacted == text else type(value).model_validate_json(redacted)
