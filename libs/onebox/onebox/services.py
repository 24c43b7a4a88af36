"""The table of services: their environment variables, and the order in which they stop."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from contracts.catalogue import EVENTS, SERVICES

from onebox.children import Program
from onebox.folder import DataFolder
from onebox.forking import Module
from onebox.keys import new_key_ring, new_symmetric_keys
from onebox.settings import BoxSettings

# A service stops before those it depends on: first the gateway, later the model of the agents, the stores last.
STOP_ORDER = (("gateway",), SERVICES, ("simulator",), ("nats",), ("postgres",))
CLOSE_SECONDS = 10.0
"""The time that a service has to close its resources, after its work in progress."""


@dataclass(frozen=True)
class DatabaseUrls:
    """The URLs of the database: for the services, and for the role that owns the tables if that is another one."""

    services: str
    migrations: str | None

    @property
    def env(self) -> dict[str, str]:
        """The environment variables of a service with a database."""
        return {"DATABASE_URL": self.services} | (
            {"MIGRATION_DATABASE_URL": self.migrations} if self.migrations else {}
        )


@dataclass(frozen=True)
class Programs:
    """How identity admits programs of users to the bus: its key, and the address that it reports to them."""

    issuer_seed: str | None = None
    url: str | None = None

    @property
    def env(self) -> dict[str, str]:
        """The environment variables of identity."""
        given = {"BUS_ISSUER_SEED": self.issuer_seed, "BUS_URL": self.url}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class LaunchContext:
    """Context that the services of one system share."""

    settings: BoxSettings
    folder: DataFolder
    database: DatabaseUrls
    nats_url: Callable[[str], str]
    """The URL of NATS for a service, by its name."""
    free_port: Callable[[], int]
    programs: Programs = Programs()

    @property
    def first_admin(self) -> Path:
        """The file to which identity writes the password of the first administrator if it generated one."""
        return self.folder.path / "first-admin.json"

    @property
    def master_keys(self) -> Path:
        """The file with the master keys that encrypt secrets, which is created if it does not exist."""
        return self._key_ring("secrets.json")

    @property
    def replay_keys(self) -> Path:
        """The file with the keys that seal stored responses, which is created if it does not exist."""
        return self._key_ring("replay.json")

    def _key_ring(self, name: str) -> Path:
        file = self.folder.keys / name
        self.folder.secret(file, new_symmetric_keys)
        return file

    @property
    def common_env(self) -> dict[str, str]:
        """The environment variables of every program."""
        settings = self.settings
        env = {"ENVIRONMENT": settings.environment, "LOG_LEVEL": settings.log_level}
        env["DEPENDENCY_WAIT_SECONDS"] = str(settings.dependency_wait_seconds)
        env["DRAIN_SECONDS"] = str(settings.drain_seconds)
        return env

    def service_env(self, name: str) -> dict[str, str]:
        """Return the environment variables that every service on the bus has."""
        return self.common_env | self.settings.telemetry | {"NATS_URL": self.nats_url(name)}


def names(settings: BoxSettings) -> tuple[str, ...]:
    """Return the names of the services, which are those of their packages."""
    return ("gateway", *SERVICES, *(() if settings.model else ("simulator",)))


@dataclass(frozen=True)
class Service:
    """A program, and the port of this machine at which it serves its readiness and its metrics."""

    program: Program
    port: int


def services(context: LaunchContext) -> list[Service]:
    """Return all services, in the order in which they start."""
    simulator = [] if context.settings.model else [_simulator(context)]
    model = f"http://127.0.0.1:{simulator[0].port}" if simulator else context.settings.model or ""
    own: dict[str, Callable[[LaunchContext], dict[str, str]]] = {
        "identity": _identity,
        "mcp_registry": _mcp_registry,
        "report": _report,
        "session": partial(_session, model=model),
    }
    internal = [_internal_service(name, context, own[name](context) if name in own else {}) for name in SERVICES]
    return [*simulator, *internal, _gateway(context)]


def _simulator(context: LaunchContext) -> Service:
    port = context.free_port()
    return _service("simulator", port, context.common_env | {"HOST": "127.0.0.1", "PORT": str(port)})


def _identity(context: LaunchContext) -> dict[str, str]:
    ring = context.folder.keys / "ring.json"
    context.folder.secret(ring, new_key_ring)
    settings = context.settings
    env = {"KEY_RING_FILE": str(ring), "FIRST_ADMIN_FILE": str(context.first_admin)} | context.programs.env
    if settings.admin_email:
        env["ADMIN_EMAIL"] = settings.admin_email
    if settings.admin_password:
        env["ADMIN_PASSWORD"] = settings.admin_password.get_secret_value()
    return env


def _mcp_registry(context: LaunchContext) -> dict[str, str]:
    return {"PUBLIC_URL": context.settings.browser_url}


def _session(context: LaunchContext, model: str) -> dict[str, str]:
    env = {
        "WORKSPACES_DIR": str(context.folder.workspaces),
        "ARCHIVES_DIR": str(context.folder.archives),
        "MODEL_BASE_URL" if context.settings.model else "SIMULATOR_URL": model,
    }
    if key := context.settings.model_api_key:
        env["MODEL_API_KEY"] = key.get_secret_value()
    return env


def _report(context: LaunchContext) -> dict[str, str]:
    env = {"REPORTS_DIR": str(context.folder.reports), "REPORT_CACHE_DIR": str(context.folder.cache)}
    if secret := context.settings.report_s3_secret_access_key:
        env["REPORT_S3_SECRET_ACCESS_KEY"] = secret.get_secret_value()
    if folder := context.settings.report_theme_dir:
        env["REPORT_THEME_DIR"] = str(folder.absolute())  # services do not run in the current folder
    return env


def _gateway(context: LaunchContext) -> Service:
    settings = context.settings
    port = context.free_port()
    env = context.service_env("gateway") | {"HOST": settings.host, "PORT": str(settings.port), "OPS_PORT": str(port)}
    env["METRICS_PUBLIC"] = str(settings.metrics_public)
    env["REPLAY_KEY_FILE"] = str(context.replay_keys)
    return _service("gateway", port, env)


def _internal_service(name: str, context: LaunchContext, own: dict[str, str]) -> Service:
    """Return a service that is reached only over the bus."""
    port = context.free_port()
    env = context.service_env(name) | context.database.env | {"OPS_PORT": str(port)} | own
    if any(event.secret for event in EVENTS[name]):
        env["SECRETS_KEY_FILE"] = str(context.master_keys)
    service = _service(name, port, env)
    return replace(service, program=replace(service.program, grace=context.settings.drain_seconds + CLOSE_SECONDS))


def _service(name: str, port: int, env: dict[str, str]) -> Service:
    kind = Module if sys.platform == "linux" else Program
    # -P: the working directory is not on the import path.
    return Service(kind(name, [sys.executable, "-P", "-m", name], env), port)
