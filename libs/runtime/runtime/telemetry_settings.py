"""The settings of tracing, under the names that OpenTelemetry has standardized. The SDK itself reads the others."""

import re
from typing import Literal
from urllib.parse import unquote

from pydantic import PositiveFloat, SecretStr, field_validator

from runtime.settings import Settings

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=[ \t]*[\x20-\x2b\x2d-\x7e]*")

type Protocol = Literal["http/protobuf"]


class TelemetrySettings(Settings):
    """Where spans are sent, with which headers, which may hold a secret, and within how many seconds.

    The timeout is also the longest delay of shutdown if the collector is unavailable.
    """

    otel_sdk_disabled: bool = False
    otel_traces_exporter: Literal["otlp", "none"] = "otlp"
    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_traces_endpoint: str | None = None
    otel_exporter_otlp_protocol: Protocol = "http/protobuf"
    otel_exporter_otlp_traces_protocol: Protocol = "http/protobuf"
    otel_exporter_otlp_headers: SecretStr | None = None
    otel_exporter_otlp_traces_headers: SecretStr | None = None
    otel_exporter_otlp_timeout: PositiveFloat = 3.0
    otel_exporter_otlp_traces_timeout: PositiveFloat | None = None

    @property
    def traces_url(self) -> str | None:
        """The URL to which spans are sent; None if tracing is off."""
        if self.otel_sdk_disabled or self.otel_traces_exporter == "none":
            return None
        base = self.otel_exporter_otlp_endpoint
        return self.otel_exporter_otlp_traces_endpoint or (base and f"{base.rstrip('/')}/v1/traces")

    @property
    def traces_headers(self) -> dict[str, str]:
        """The headers that are sent with spans."""
        given = self.otel_exporter_otlp_traces_headers or self.otel_exporter_otlp_headers
        pairs = (entry.partition("=") for entry in (_entries(given) if given else []))
        return {name.strip().lower(): unquote(value).strip() for name, _, value in pairs}

    @property
    def traces_timeout(self) -> float:
        """The number of seconds within which spans are sent."""
        return self.otel_exporter_otlp_traces_timeout or self.otel_exporter_otlp_timeout

    @field_validator("otel_exporter_otlp_endpoint", "otel_exporter_otlp_traces_endpoint")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value

    @field_validator("otel_exporter_otlp_headers", "otel_exporter_otlp_traces_headers")
    @classmethod
    def _readable(cls, value: SecretStr | None) -> SecretStr | None:
        # The SDK would log what it cannot read, and go on without it.
        if value and not all(map(_HEADER.fullmatch, _entries(value))):
            raise ValueError("must be headers like name=value, separated by commas")
        return value


def _entries(headers: SecretStr) -> list[str]:
    return [entry.strip() for entry in headers.get_secret_value().split(",") if entry.strip()]
