"""NATS with JetStream as a child process, on the loopback interface, with a user and a password for each service."""

import base64
import hmac
import secrets
import shutil
import signal
import socket
import sysconfig
import time
from pathlib import Path

from contracts.subscriptions import OPERATOR

from onebox.children import Child, Program
from onebox.errors import CannotStart, tail
from onebox.folder import DataFolder
from onebox.nats_conf import NatsConfiguration
from onebox.ports import ReservedPort
from onebox.programs import version_of

MIN_NATS_VERSION = (2, 12)  # older servers silently ignore newer stream settings
SERVICES_ACCOUNT = "AGENTAPI"  # runtime.bus.accounts, which is not loaded yet
_START_TIMEOUT = 30.0


class EmbeddedNats:
    """A NATS server that stores its streams in the data folder.

    Args:
        folder: the folder for streams, configuration, and the secret that passwords derive from.
        program: the server program; by default it is searched for.
        port: the port to listen on; 0 chooses a free one.
    """

    max_store = NatsConfiguration.max_file_store
    sync_interval = NatsConfiguration.sync_interval
    ping_seconds = NatsConfiguration.ping_seconds
    updates = True
    """Whether services may change their streams: a setting may require larger ones, and here nobody else would."""

    def __init__(self, folder: DataFolder, *, program: Path | None = None, port: int = 0) -> None:
        server = _checked(program or _found())
        self._port = ReservedPort(port=port)
        self._folder = folder.path / "nats"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._secret = folder.secret(self._folder / "password", lambda: secrets.token_urlsafe(24))
        self.url = self.url_of(OPERATOR)
        self._keep_streams()
        configuration = self._configure()
        self.child = Child(
            Program("nats", [str(server), "-c", str(configuration)], when_orphaned=signal.SIGTERM), folder
        )

    def start(self) -> str:
        """Start the server, wait until JetStream is ready, and return the URL."""
        self.child.start()
        end = time.monotonic() + _START_TIMEOUT
        while not self._ready():
            if not self.child.running() or time.monotonic() > end:
                raise CannotStart(f"NATS did not start with the data in {self._folder}.\n{tail(self.child.log)}")
            time.sleep(0.01)
        return self.url

    def stop(self) -> None:
        """Stop the server and release its port."""
        self.child.ask_to_stop()
        self.child.finish()
        self._port.release()

    def url_of(self, user: str) -> str:
        """Return the URL for a user, such as a service, including the password."""
        return f"nats://{user}:{self.password_of(user)}@127.0.0.1:{self._port.number}"

    def password_of(self, user: str) -> str:
        """Return the password of a user, which says nothing about that of another one."""
        return base64.urlsafe_b64encode(hmac.digest(self._secret.encode(), user.encode(), "sha256")).decode()

    def users(self) -> str:
        """Return the part of the configuration that defines the users."""
        from runtime.bus import nkeys, permissions  # not before: the launcher loads what this needs in the background

        passwords = {user: self.password_of(user) for user in permissions.USERS}
        issuer = nkeys.KeyPair.of_seed(self.issuer_seed())
        return permissions.authorization(passwords, issuer.public, updates=self.updates)

    def issuer_seed(self) -> str:
        """Return the key with which identity admits programs of users."""
        from runtime.bus.nkeys import ACCOUNT, KeyPair

        return KeyPair(ACCOUNT, hmac.digest(self._secret.encode(), b"issuer", "sha256")).seed

    def address(self) -> str:
        """Return the URL for programs, which have users of their own."""
        return f"nats://127.0.0.1:{self._port.number}"

    def _keep_streams(self) -> None:
        # Release 0.1 had no accounts, and NATS stored its streams under this name.
        streams = self._folder / "jetstream"
        if (streams / "$G").is_dir() and not (streams / SERVICES_ACCOUNT).exists():
            (streams / "$G").rename(streams / SERVICES_ACCOUNT)

    def _configure(self) -> Path:
        configuration = NatsConfiguration(
            listen=f"127.0.0.1:{self._port.number}",
            users=self.users(),
            store_dir=str(self._folder),
            server_name="onebox",
            max_file_store=self.max_store,
            sync_interval=self.sync_interval,
            ping_seconds=self.ping_seconds,
        )
        file = self._folder / "nats.conf"
        file.touch(mode=0o600)
        file.write_text(str(configuration))
        return file

    def _ready(self) -> bool:
        # The server listens once JetStream is up, and sends a line of JSON to each client first.
        try:
            with socket.create_connection(("127.0.0.1", self._port.number), timeout=1) as connection:
                return b'"jetstream":true' in connection.recv(4096)
        except OSError:
            return False


def _found() -> Path:
    beside_python = Path(sysconfig.get_path("scripts")) / "nats-server"
    if beside_python.is_file():
        return beside_python
    if on_path := shutil.which("nats-server"):
        return Path(on_path)
    raise CannotStart("nats-server was not found. Install it (`make run` does), or set NATS_URL to your own server.")


def _checked(program: Path) -> Path:
    version = version_of(program)
    if version is None:
        raise CannotStart(f"{program} does not run. Reinstall nats-server, or set NATS_URL to your own server.")
    if version < MIN_NATS_VERSION:
        raise CannotStart(
            f"{program} is nats-server {version[0]}.{version[1]}, but {MIN_NATS_VERSION[0]}.{MIN_NATS_VERSION[1]} or "
            "later is required. Install a newer version, or set NATS_URL to your own server."
        )
    return program
