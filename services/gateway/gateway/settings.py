"""What the gateway can be told."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt
from runtime.process import ProcessSettings

_ORIGIN = re.compile(r"\*|https?://[^\s/,*?#@]+")


def _origins(text: str) -> str:
    if not all(map(_ORIGIN.fullmatch, _listed(text))):
        raise ValueError("give origins as browsers do, like https://example.com, separated by commas; or *")
    return text


def _listed(text: str) -> list[str]:
    return [origin.strip() for origin in text.split(",")] if text else []


class Settings(ProcessSettings):
    """Where it listens, where the bus is, how long it waits, and the pages of which other origins may use it."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65_535)
    nats_url: str
    ask_timeout_seconds: PositiveFloat = 5.0
    query_wait_seconds: PositiveFloat = 900.0
    stream_heartbeat_seconds: PositiveFloat = 15.0
    streams_per_user: PositiveInt = 50
    cors_origins: Annotated[str, AfterValidator(_origins)] = ""

    @property
    def origins(self) -> list[str]:
        """List the other origins whose pages may use the API."""
        return _listed(self.cors_origins)
