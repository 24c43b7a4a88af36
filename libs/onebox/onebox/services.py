"""The table of services: what each is told, and in which order they end."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contracts.catalogue import SERVICES

from onebox.children import Program
from onebox.folder import DataFolder
from onebox.keys import new_key_ring
from onebox.settings import BoxSettings

# Nobody asks for what is gone: the door closes first, the agents lose their model last, the stores outlive all.
STOP_ORDER = (("gateway",), SERVICES, ("simulator",), ("nats",), ("postgres",))


@dataclass(frozen=True)
class Place:
    """What the services of one system share."""

    settings: BoxSettings
    folder: DataFolder
    database_url: str
    nats_url: str
    free_port: Callable[[], int]

    @property
    def first_admin(self) -> Path:
        """Where identity leaves the first admin's password when it made one."""
        return self.folder.path / "first-admin.json"

    @property
    def common_env(self) -> dict[str, str]:
        """What every service is told."""
        settings = self.settings
        told = {"ENVIRONMENT": settings.environment, "LOG_LEVEL": settings.log_level, "NATS_URL": self.nats_url}
        told["DEPENDENCY_WAIT_SECONDS"] = str(settings.dependency_wait_seconds)
        if settings.otel_exporter_otlp_endpoint:
            told["OTEL_EXPORTER_OTLP_ENDPOINT"] = settings.otel_exporter_otlp_endpoint
        return told


@dataclass(frozen=True)
class Service:
    """A program, and where it says that it is ready."""

    program: Program
    host: str
    port: int


def services(place: Place) -> list[Service]:
    """Give every service that runs beside the servers."""
    simulator = [] if place.settings.model else [_simulator(place)]
    model = f"http://127.0.0.1:{simulator[0].port}" if simulator else place.settings.model or ""
    return [*simulator, _identity(place), _session(place, model), _gateway(place)]


def _simulator(place: Place) -> Service:
    port = place.free_port()
    return _service("simulator", port, place.common_env | {"HOST": "127.0.0.1", "PORT": str(port)})


def _identity(place: Place) -> Service:
    ring = place.folder.keys / "ring.json"
    place.folder.secret(ring, new_key_ring)
    settings = place.settings
    told = {"DATABASE_URL": place.database_url, "KEY_RING_FILE": str(ring), "FIRST_ADMIN_FILE": str(place.first_admin)}
    if settings.admin_email:
        told["ADMIN_EMAIL"] = settings.admin_email
    if settings.admin_password:
        told["ADMIN_PASSWORD"] = settings.admin_password.get_secret_value()
    return _behind("identity", place, told)


def _session(place: Place, model: str) -> Service:
    told = {
        "DATABASE_URL": place.database_url,
        "WORKSPACES_DIR": str(place.folder.workspaces),
        "ARCHIVES_DIR": str(place.folder.archives),
        "MODEL_BASE_URL": model,
    }
    if key := place.settings.model_api_key:
        told["MODEL_API_KEY"] = key.get_secret_value()
    return _behind("session", place, told)


def _gateway(place: Place) -> Service:
    settings = place.settings
    told = place.common_env | {"HOST": settings.host, "PORT": str(settings.port)}
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  asked for by HOST
    return _service("gateway", settings.port, told, local)


def _behind(name: str, place: Place, told: dict[str, str]) -> Service:
    """Give a service that only the gateway reaches, over the bus; its port is for health and metrics."""
    port = place.free_port()
    return _service(name, port, place.common_env | told | {"OPS_PORT": str(port)})


def _service(name: str, port: int, told: dict[str, str], host: str = "127.0.0.1") -> Service:
    # -P: the folder it happens to start in is not on its path.
    return Service(Program(name, [sys.executable, "-P", "-m", name], told), host, port)
