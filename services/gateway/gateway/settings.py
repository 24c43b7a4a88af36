"""The settings of the gateway, read from environment variables."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator
from runtime.process import OpsSettings
from runtime.secrets.key_ring import KeyRingFile, Ring

from gateway.clients.proxies import Network
from gateway.clients.rates.rules import Rules
from gateway.clients.rates.stream_limits import StreamLimits

_NAME = re.compile(r"\*|[A-Za-z0-9._-]+|\[?[0-9a-fA-F:.]+\]?")
_ORIGIN = re.compile(r"\*|https?://[^\s/,*?#@]+")


def _origins(text: str) -> str:
    if not all(map(_ORIGIN.fullmatch, _split(text))):
        raise ValueError("must be origins like https://example.com, separated by commas, or *")
    return text


def _names(text: str) -> str:
    if not all(map(_NAME.fullmatch, _split(text))):
        raise ValueError("must be host names without scheme and port, like api.example.com, separated by commas, or *")
    return text


def _networks(text: str) -> str:
    try:
        list(map(ip_network, _split(text)))
    except ValueError:
        raise ValueError("must be addresses or networks like 10.0.0.0/8, separated by commas") from None
    return text


def _rate_limits(text: str) -> str:
    Rules.parse(text)
    return text


def _stream_limits(text: str) -> str:
    StreamLimits.parse(text)
    return text


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text else []


class Settings(OpsSettings):
    """Addresses, timeouts and limits of the gateway, and the hosts and origins by which it may be used.

    A gateway that stops goes on serving requests for `drain_delay_seconds`, until it gets no more of them.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65_535)
    nats_url: str = Field(repr=False)
    ask_timeout_seconds: PositiveFloat = 5.0
    query_wait_seconds: PositiveFloat = 900.0
    stream_heartbeat_seconds: PositiveFloat = 15.0
    allowed_hosts: Annotated[str, AfterValidator(_names)] = ""
    streams_per_user: Annotated[str, AfterValidator(_stream_limits)] = "50"
    concurrent_requests_per_user: PositiveInt = 4
    rate_limits: Annotated[str, AfterValidator(_rate_limits)] = ""
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = ""
    cors_origins: Annotated[str, AfterValidator(_origins)] = ""
    replay_key_file: Path | None = None
    metrics_public: bool = False
    drain_delay_seconds: float = Field(default=0.0, ge=0, le=3600)

    def replay_ring(self) -> Ring | None:
        """Return a function that returns the present ring of the keys that seal stored responses, or None.

        Raises:
            InvalidKeyRing: the ring cannot be used.
        """
        return self.replay_key_file and KeyRingFile(self.replay_key_file, "REPLAY_KEY_FILE")

    @field_validator("port")
    @classmethod
    def _not_for_probes(cls, value: int, info: ValidationInfo) -> int:
        if value == info.data.get("ops_port"):
            raise ValueError("must not be the same as OPS_PORT")
        return value

    @property
    def origins(self) -> list[str]:
        """The other origins whose pages may use the API."""
        return _split(self.cors_origins)

    @property
    def hosts(self) -> list[str]:
        """The host names of this server besides local ones and the address it listens on; `*` allows all."""
        return _split(self.allowed_hosts)

    @property
    def proxies(self) -> list[Network]:
        """The networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""
        return list(map(ip_network, _split(self.trusted_proxies)))
