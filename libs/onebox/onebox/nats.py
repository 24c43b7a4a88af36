"""NATS with JetStream as a child of this process, on the loopback interface, behind a password."""

import json
import secrets
import shutil
import signal
import socket
import sysconfig
import time
from pathlib import Path

from onebox.children import Child, Program
from onebox.folder import DataFolder
from onebox.ports import ReservedPort
from onebox.programs import version_of
from onebox.trouble import CannotStart, tail

MIN_NATS_VERSION = (2, 12)  # older ones silently ignore newer fields of a stream
_START_SECONDS = 30.0


class EmbeddedNats:
    """A server whose streams are in the data folder.

    Args:
        folder: where to keep the streams, the configuration and the password.
        program: the server, instead of the one that is found.
        port: where to listen; 0 takes a free one.
    """

    largest_store = "10GB"
    ping_seconds = 5
    """A client that hangs is thrown out after the third ping: until then it gets its share of all requests."""

    def __init__(self, folder: DataFolder, *, program: Path | None = None, port: int = 0) -> None:
        server = _checked(program or _found())
        self._port = ReservedPort(port=port)
        self._room = folder.path / "nats"
        self._room.mkdir(mode=0o700, exist_ok=True)
        self._password = folder.secret(self._room / "password", lambda: secrets.token_urlsafe(24))
        self.url = self.url_of("agentapi")
        configuration = self._configure()
        self.child = Child(
            Program("nats", [str(server), "-c", str(configuration)], when_orphaned=signal.SIGTERM), folder
        )

    def start(self) -> str:
        """Start the server, wait until JetStream is ready, and give its address."""
        self.child.start()
        until = time.monotonic() + _START_SECONDS
        while not self._ready():
            if not self.child.running() or time.monotonic() > until:
                raise CannotStart(f"NATS does not start on {self._room}.\n{tail(self.child.log)}")
            time.sleep(0.01)
        return self.url

    def stop(self) -> None:
        """End the server and give its port back."""
        self.child.ask_to_stop()
        self.child.finish()
        self._port.release()

    def url_of(self, user: str) -> str:
        """Give the address for a user, password included."""
        return f"nats://{user}:{self._password}@127.0.0.1:{self._port.number}"

    def users(self) -> str:
        """Give the part of the configuration that says who may connect."""
        return f"authorization {{ user: agentapi, password: {json.dumps(self._password)} }}"

    def _configure(self) -> Path:
        file = self._room / "nats.conf"
        file.touch(mode=0o600)
        # sync_interval: PostgreSQL is the truth and the relay sends again what the stream lacks, so that a second of
        # messages may be lost in a power cut. "always" publishes 7 times slower (5,500/s of 37,000), "1s" does not.
        file.write_text(f"""
listen: "127.0.0.1:{self._port.number}"
server_name: onebox
ping_interval: "{self.ping_seconds}s"
ping_max: 2
max_payload: 8MB
jetstream {{
  store_dir: {json.dumps(str(self._room))}
  max_memory_store: 256MB
  max_file_store: {self.largest_store}
  sync_interval: 1s
}}
{self.users()}
""")
        return file

    def _ready(self) -> bool:
        # It listens when JetStream is up, and greets with a line of JSON.
        try:
            with socket.create_connection(("127.0.0.1", self._port.number), timeout=1) as greeting:
                return b'"jetstream":true' in greeting.recv(4096)
        except OSError:
            return False


def _found() -> Path:
    beside_python = Path(sysconfig.get_path("scripts")) / "nats-server"
    if beside_python.is_file():
        return beside_python
    if on_path := shutil.which("nats-server"):
        return Path(on_path)
    raise CannotStart("No nats-server was found. Install it (`make run` does), or set NATS_URL to a server of yours.")


def _checked(program: Path) -> Path:
    version = version_of(program)
    if version is None:
        raise CannotStart(f"{program} does not run. Install nats-server again, or set NATS_URL to a server of yours.")
    if version < MIN_NATS_VERSION:
        raise CannotStart(
            f"{program} is nats-server {version[0]}.{version[1]}, and {MIN_NATS_VERSION[0]}.{MIN_NATS_VERSION[1]} or "
            "newer is needed. Install a newer one, or set NATS_URL to a server of yours."
        )
    return program
