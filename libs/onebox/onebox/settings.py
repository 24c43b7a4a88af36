"""The settings of the whole system on one machine."""

from pathlib import Path

from pydantic import (
    AnyHttpUrl,
    EmailStr,
    Field,
    PositiveFloat,
    PrivateAttr,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from runtime.settings import PUBLIC_MODEL
from runtime.telemetry_settings import TelemetrySettings

from onebox.children import telemetry_environment

HEADERS = ("otel_exporter_otlp_headers", "otel_exporter_otlp_traces_headers")
PREFIXES = (
    *("ADMIN_", "APPROVAL_", "ASK_", "MCP_", "MODEL_", "QUERY_", "REGISTRATION_", "REPORT_", "RUNS_", "STREAM_"),
    *("AGENT_MEM", "AGENT_PATH", "AGENT_PROC", "WARM_"),
)
"""A variable with such a prefix that is not a setting is probably misspelled."""


def url_of(host: str, port: int) -> str:
    """Return the URL to open in a browser; a wildcard host becomes the loopback address."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  asked for by HOST
    return f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"


class BoxSettings(TelemetrySettings):
    """Settings from the environment. With `database_url` or `nats_url`, the server is external instead of embedded."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    public_url: str | None = None
    data_dir: Path = Path(".data")
    admin_email: EmailStr | None = None
    admin_password: SecretStr | None = None
    model_base_url: str | None = None
    model_api_key: SecretStr | None = None
    database_url: str | None = Field(default=None, repr=False)
    migration_database_url: str | None = Field(default=None, repr=False)
    nats_url: str | None = Field(default=None, repr=False)
    nats_port: int = Field(default=0, ge=0, le=65535)
    bus_issuer_seed: SecretStr | None = None
    bus_url: str | None = None
    report_s3_secret_access_key: SecretStr | None = None
    report_theme_dir: Path | None = None
    dependency_wait_seconds: PositiveFloat = 8.0
    drain_seconds: float = Field(default=10.0, ge=0, le=3600)
    metrics_public: bool = True
    pg_bindir: Path | None = None
    # Read now: the launcher changes its environment before services start.
    _telemetry: dict[str, str] = PrivateAttr(default_factory=telemetry_environment)

    @property
    def model(self) -> str | None:
        """The base URL of the model; None means the simulator."""
        return self.model_base_url or (PUBLIC_MODEL if self.model_api_key else None)

    @property
    def telemetry(self) -> dict[str, str]:
        """The variables of OpenTelemetry for the services. Headers in a file are read, as other secrets are."""
        files = {f"{name.upper()}_FILE" for name in HEADERS}
        given = {name: value for name, value in self._telemetry.items() if name not in files}
        return given | {name.upper(): value.get_secret_value() for name in HEADERS if (value := getattr(self, name))}

    @property
    def browser_url(self) -> str:
        """Where browsers reach the API: without PUBLIC_URL, the address that the banner shows if it is of this machine.

        A cookie ties the authorization of an MCP server to this host, so it has to be the one that users open.
        """
        shown = url_of(self.host, self.port)
        is_local = AnyHttpUrl(shown).host in ("localhost", "127.0.0.1", "[::1]")
        return self.public_url or (shown if is_local else f"http://localhost:{self.port}")

    @field_validator("admin_password")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value and len(value.get_secret_value()) < 8:
            raise ValueError("must have at least 8 characters")
        return value

    @field_validator("model_base_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        value = _check_scheme(value, ("https://", "http://"))
        try:
            if value:
                TypeAdapter(AnyHttpUrl).validate_python(value)
        except ValidationError as error:  # without the value, which may contain a password
            raise ValueError(f"is not a URL: {error.errors(include_input=False)[0]['msg']}") from None
        return value

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def _postgres_address(cls, value: str | None) -> str | None:
        return _check_scheme(value, ("postgresql://", "postgres://"))

    @field_validator("migration_database_url")
    @classmethod
    def _of_external_database(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and not info.data.get("database_url", True):
            raise ValueError("has no effect on the embedded database: set DATABASE_URL, too, or unset it")
        return value

    @field_validator("nats_url")
    @classmethod
    def _nats_address(cls, value: str | None) -> str | None:
        return _check_scheme(value, ("nats://", "tls://", "ws://", "wss://"))


def _check_scheme(value: str | None, schemes: tuple[str, ...]) -> str | None:
    if value and not value.startswith(schemes):
        raise ValueError(f"must begin with {' or '.join(schemes)}")
    return value
