"""What the gateway can be told."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt
from runtime.process import ProcessSettings

_NAME = re.compile(r"\*|[A-Za-z0-9._-]+|\[?[0-9a-fA-F:.]+\]?")
_ORIGIN = re.compile(r"\*|https?://[^\s/,*?#@]+")


def _origins(text: str) -> str:
    if not all(map(_ORIGIN.fullmatch, _listed(text))):
        raise ValueError("give origins as browsers do, like https://example.com, separated by commas; or *")
    return text


def _names(text: str) -> str:
    if not all(map(_NAME.fullmatch, _listed(text))):
        raise ValueError("give host names without scheme and port, like api.example.com, separated by commas; or *")
    return text


def _listed(text: str) -> list[str]:
    return [origin.strip() for origin in text.split(",")] if text else []


class Settings(ProcessSettings):
    """Where it listens, where the bus is, how long it waits, and by which names and from which pages it is used."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65_535)
    nats_url: str
    ask_timeout_seconds: PositiveFloat = 5.0
    query_wait_seconds: PositiveFloat = 900.0
    stream_heartbeat_seconds: PositiveFloat = 15.0
    allowed_hosts: Annotated[str, AfterValidator(_names)] = ""
    streams_per_user: PositiveInt = 50
    cors_origins: Annotated[str, AfterValidator(_origins)] = ""

    @property
    def origins(self) -> list[str]:
        """List the other origins whose pages may use the API."""
        return _listed(self.cors_origins)

    @property
    def hosts(self) -> list[str]:
        """List the names of this server, besides local ones and the address it listens on; `*` is any."""
        return _listed(self.allowed_hosts)
