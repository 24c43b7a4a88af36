"""Creates the secrets of an installation, and keeps those that exist."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import unquote, urlsplit

from runtime import clock
from runtime.bus.nkeys import ACCOUNT, KeyPair
from runtime.bus.permissions import USERS, authorization

from onebox.cluster import NAME, SERVICE_ROLE
from onebox.errors import CannotStart
from onebox.installation.certificates import Certificate, expiry, new_authority, new_server_certificate
from onebox.installation.secret_folder import MOUNTED, PRIVATE, SecretFolder
from onebox.keys import new_key_ring, new_symmetric_keys
from onebox.nats_conf import NatsConfiguration, Tls

DATABASE, BUS = "postgres:5432/agentapi", "nats:4222"
"""Where containers reach the stores: the names of these services in `docker-compose.yml`."""
BUS_NAMES = ("nats", "localhost", "127.0.0.1")
AUTHORITY, SERVER = "nats-ca", "nats-server"
SOON = timedelta(days=30)
RINGS = {"ring.json": new_key_ring, "secrets.json": new_symmetric_keys, "replay.json": new_symmetric_keys}
SECRETS = Path("/run/secrets")
"""Where containers have their secrets."""


def create(path: Path, saved_rings: Mapping[str, str] | None = None) -> tuple[list[str], list[str]]:
    """Create what is missing in a folder, and return the names of the files that were written, and notes for the user.

    What exists is kept, except the configuration of NATS: it follows from the other files and from the release. Key
    rings, by the names of their files, are those of a backup if `saved_rings` has them.

    Raises:
        CannotStart: the folder or a file in it cannot be used, or it has other key rings than the backup.
        OSError: a file cannot be read or written.
    """
    with SecretFolder.opened(path) as folder:
        _rings(folder, saved_rings or {})
        folder.kept("admin-password", new_password)
        folder.kept("model-api-key", lambda: "")
        _database(folder)
        _certificates(folder)
        _bus(folder)
        return folder.written, list(_notes(folder))


def _rings(folder: SecretFolder, saved: Mapping[str, str]) -> None:
    for name in RINGS.keys() & saved.keys():
        if folder.has(name) and folder.read(name) != saved[name].rstrip("\r\n"):
            raise CannotStart(f"{folder.path / name} has other keys than the backup. Move it away.")
    for name, new in RINGS.items():
        folder.kept(name, partial(saved.__getitem__, name) if name in saved else new)


def new_password() -> str:
    """Return a new password of 192 random bits, which a URL can contain."""
    return token_urlsafe(24)


def _database(folder: SecretFolder) -> None:
    for role, password_file, url_file in (
        (NAME, "database-owner-password", "migration-database-url"),
        (SERVICE_ROLE, "database-service-password", "database-url"),
    ):
        password = folder.kept(password_file, new_password)
        folder.kept(url_file, partial("postgresql://{}:{}@{}".format, role, password, DATABASE))


def _certificates(folder: SecretFolder) -> None:
    """Create the authority and the certificate of the server. A key is written before the certificate it belongs to."""
    if not folder.has(f"{AUTHORITY}.pem"):
        folder.remove(f"{SERVER}.pem")
        _write(folder, AUTHORITY, new_authority(clock.now()), PRIVATE)
    if folder.has(f"{SERVER}.pem") and folder.has(f"{SERVER}.key"):
        return
    if not folder.has(f"{AUTHORITY}.key"):
        raise CannotStart(
            f"{AUTHORITY}.key, which signs a new {SERVER}.pem, is missing. Put it back, or delete {AUTHORITY}.pem to "
            "create another certificate authority"
        )
    authority = Certificate(folder.read(f"{AUTHORITY}.pem"), folder.read(f"{AUTHORITY}.key"))
    _write(folder, SERVER, new_server_certificate(authority, BUS_NAMES, clock.now()), MOUNTED)


def _write(folder: SecretFolder, name: str, made: Certificate, mode_of_key: int) -> None:
    folder.remove(f"{name}.pem")
    folder.write(f"{name}.key", made.key, mode_of_key)
    folder.write(f"{name}.pem", made.certificate)


def _bus(folder: SecretFolder) -> None:
    urls = {user: folder.kept(url_file(user), partial(_new_bus_url, user)) for user in USERS}
    seed = folder.kept("bus-issuer-seed", lambda: KeyPair.new(ACCOUNT).seed)
    configuration = NatsConfiguration(
        listen="0.0.0.0:4222",
        users=_users(urls, seed),
        store_dir="/data",
        tls=Tls(str(SECRETS / f"{SERVER}.pem"), str(SECRETS / f"{SERVER}.key")),
    )
    text = f"# Written by `make secrets`, which replaces it.\n{configuration}"
    if not folder.has("nats.conf") or folder.read("nats.conf") != text.rstrip("\r\n"):
        folder.write("nats.conf", text)


def url_file(user: str) -> str:
    """Return the name of the file with the URL of NATS for a user, such as a service."""
    return f"nats-url-{user.replace('_', '-')}"


def _new_bus_url(user: str) -> str:
    return f"tls://{user}:{new_password()}@{BUS}"


def _users(urls: Mapping[str, str], seed: str) -> str:
    try:
        issuer = KeyPair.of_seed(seed).public
    except ValueError as error:
        raise CannotStart(f"bus-issuer-seed: {error}") from None
    try:
        return authorization({user: unquote(urlsplit(url).password or "") for user, url in urls.items()}, issuer)
    except ValueError as error:
        raise CannotStart(f"{url_file('<service>')}: {error}") from None


def _notes(folder: SecretFolder) -> list[str]:
    notes: list[str] = []
    if "admin-password" in folder.written:
        notes.append("admin-password contains the password of the first administrator.")
    try:
        end = expiry(folder.read(f"{SERVER}.pem"))
    except ValueError:
        raise CannotStart(f"{SERVER}.pem is not a certificate. Delete it to create a new one") from None
    notes.append(f"{SERVER}.pem is valid until {end:%Y-%m-%d}.")
    if end < clock.now() + SOON:
        notes.append(f"Delete {SERVER}.pem, run this again, and restart NATS.")
    return notes
