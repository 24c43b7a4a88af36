"""The configuration file of a NATS server, for `make run` and for an installation."""

import json
from dataclasses import dataclass

MAX_PAYLOAD = "8MB"
"""The largest message: an event of the maximum size, with its headers."""


@dataclass(frozen=True)
class Tls:
    """The files of the certificate that the server shows its clients, and of its key, as paths on its machine."""

    certificate: str
    key: str

    def __str__(self) -> str:
        """Return the section of the file."""
        return f"tls {{ cert_file: {json.dumps(self.certificate)}, key_file: {json.dumps(self.key)} }}"


@dataclass(frozen=True)
class NatsConfiguration:
    """A server at the address `listen` that stores its streams in `store_dir`; `str` of it is the file.

    `users` is the section of those who may connect, such as `runtime.bus.permissions.authorization` returns it. The
    state of the server is shown, without a password, at the address `monitoring`, if there is one. MQTT, WebSockets and
    leaf nodes are off, since the file has no sections for them.
    """

    listen: str
    users: str
    store_dir: str
    server_name: str = "agentapi"
    max_memory_store: str = "256MB"
    max_file_store: str = "10GB"
    sync_interval: str = "1s"
    """How often streams are flushed to disk: a power cut may lose the messages since then, and the relay publishes
    again what the streams lack of the events in PostgreSQL. With "always", publishing is 7 times slower (5,500/s
    instead of 37,000/s)."""
    ping_seconds: int = 5
    """A client that hangs is disconnected at the third ping; until then it still receives its share of requests."""
    monitoring: str | None = None
    tls: Tls | None = None

    def __str__(self) -> str:
        """Return the content of the file."""
        lines = [
            f"listen: {json.dumps(self.listen)}",
            f"server_name: {json.dumps(self.server_name)}",
            *([f"http: {json.dumps(self.monitoring)}"] if self.monitoring else []),
            f'ping_interval: "{self.ping_seconds}s"',
            "ping_max: 2",
            f"max_payload: {MAX_PAYLOAD}",
            "jetstream {",
            f"  store_dir: {json.dumps(self.store_dir)}",
            f"  max_memory_store: {self.max_memory_store}",
            f"  max_file_store: {self.max_file_store}",
            f"  sync_interval: {self.sync_interval}",
            "}",
            *([str(self.tls)] if self.tls else []),
            self.users,
        ]
        return "\n".join(lines) + "\n"
