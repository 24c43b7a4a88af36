"""The secrets of an installation in containers."""

import os
import ssl
import stat
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from onebox.backup.manifest import Keys
from onebox.errors import CannotStart
from onebox.folder import DataFolder
from onebox.installation import creating
from onebox.installation.__main__ import main
from onebox.installation.creating import RINGS, create, url_file
from onebox.nats import EmbeddedNats
from runtime import bus, clock
from runtime.bus.permissions import USERS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Secrets that were created."""
    create(tmp_path / "secrets")
    return tmp_path / "secrets"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_secret_is_in_a_file_of_its_own(folder: Path) -> None:
    services = ("gateway", "identity", "mcp-registry", "report", "session", "task-scheduler", "webhook", "operator")
    assert set(contents(folder)) == {
        *("ring.json", "secrets.json", "replay.json", "admin-password", "model-api-key", "bus-issuer-seed"),
        *("database-owner-password", "database-service-password", "database-url", "migration-database-url"),
        *("nats-ca.pem", "nats-ca.key", "nats-server.pem", "nats-server.key", "nats.conf"),
        *(f"nats-url-{service}" for service in services),
    }


def test_a_second_run_changes_nothing(folder: Path) -> None:
    before = contents(folder)
    assert create(folder)[0] == []
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("missing", "written"),
    [
        ("ring.json", ["ring.json"]),
        ("database-url", ["database-url"]),
        ("nats-url-report", ["nats-url-report", "nats.conf"]),
        ("nats.conf", ["nats.conf"]),
        ("nats-server.key", ["nats-server.key", "nats-server.pem"]),
        ("nats-ca.pem", ["nats-ca.key", "nats-ca.pem", "nats-server.key", "nats-server.pem"]),
    ],
)
def test_only_what_is_missing_is_added(folder: Path, missing: str, written: list[str]) -> None:
    before = contents(folder)
    (folder / missing).unlink()
    assert create(folder)[0] == written
    assert {name for name, content in contents(folder).items() if content != before[name]} <= set(written)


def test_key_rings_are_taken_from_a_backup(tmp_path: Path) -> None:
    saved = {name: f"saved {name}\n" for name in RINGS}
    assert {*RINGS} <= {*create(tmp_path / "secrets", saved)[0]}
    assert create(tmp_path / "secrets", saved)[0] == []
    assert {name: (tmp_path / "secrets" / name).read_text() for name in RINGS} == saved


def test_a_ring_that_a_backup_lacks_is_created(tmp_path: Path) -> None:
    create(tmp_path / "secrets", {"ring.json": "saved", "../nats.conf": "of no ring"})
    assert (tmp_path / "secrets" / "secrets.json").read_text().startswith("{")
    assert not (tmp_path / "nats.conf").exists()


def test_other_key_rings_than_those_of_a_backup_are_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(folder)
    keys = folder.parent / "monday.keys"
    keys.write_text(Keys(sha256="", unpacked_bytes=0, rings={"ring.json": "saved"}).model_dump_json())
    assert main([str(folder), "--keys", str(keys)]) == 1
    assert f"{folder / 'ring.json'} has other keys than the backup" in capsys.readouterr().err
    assert contents(folder) == before


def test_a_file_that_has_no_keys_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "secrets"), "--keys", str(tmp_path / "monday.keys")]) == 1
    assert "monday.keys is missing" in capsys.readouterr().err
    assert not (tmp_path / "secrets").exists()


def test_an_interrupted_run_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(creating, "new_server_certificate", interrupt)
        with pytest.raises(KeyboardInterrupt):
            create(tmp_path / "secrets")
    before = contents(tmp_path / "secrets")
    create(tmp_path / "secrets")
    after = contents(tmp_path / "secrets")
    assert {name: after[name] for name in before} == before
    assert "nats.conf" in after


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_two_runs_at_once_create_each_secret_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(create, tmp_path / "secrets") for _ in range(2)]
    assert sorted(len(run.result()[0]) for run in runs) == [0, len(contents(tmp_path / "secrets"))]


def test_containers_can_read_the_files_but_other_users_cannot_enter(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        create(tmp_path / "secrets")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()}
    assert modes.pop("nats-ca.key") == 0o600
    assert set(modes.values()) == {0o644}
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o711])
def test_a_folder_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(CannotStart, match=r"other users may use .* Run `chmod 700"):
        create(tmp_path)
    assert contents(tmp_path) == {}


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    with pytest.raises(CannotStart, match="belongs to another user"):
        create(tmp_path)


def test_what_was_written_is_said_without_a_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "secrets")]) == 0
    said = capsys.readouterr().out
    assert "wrote ring.json, secrets.json" in said
    assert [name for name, secret in contents(tmp_path / "secrets").items() if secret and secret.decode() in said] == []


@pytest.mark.parametrize("url", ["", "tls://report@nats:4222", "tls://report:two%20words@nats:4222", "tls://[:x@y"])
def test_a_url_without_a_usable_password_is_refused(folder: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    (folder / "nats-url-report").write_text(url)
    assert main([str(folder)]) == 1
    assert "nats-url-<service>: " in capsys.readouterr().err


def test_without_the_key_of_the_authority_no_certificate_is_issued(folder: Path) -> None:
    for name in ("nats-ca.key", "nats-server.pem"):
        (folder / name).unlink()
    with pytest.raises(CannotStart, match=r"nats-ca\.key, .* is missing. Put it back"):
        create(folder)


def test_an_authority_whose_key_is_another_ones_is_refused(folder: Path) -> None:
    (folder / "nats-ca.key").write_bytes((folder / "nats-server.key").read_bytes())
    (folder / "nats-server.pem").unlink()
    with pytest.raises(CannotStart, match="does not match its certificate"):
        create(folder)


def test_a_certificate_that_ends_soon_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = clock.now() + timedelta(days=710)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert "Delete nats-server.pem, run this again, and restart NATS." in create(folder)[1]


def handshake(folder: Path, name: str, trusted: ssl.SSLContext) -> None:
    """Connect to a server with the certificate, as a client that expects the name."""
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "nats-server.pem", folder / "nats-server.key")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = served.wrap_bio(there, back, server_side=True)
    client = trusted.wrap_bio(back, there, server_hostname=name)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def strict(cafile: Path | None = None, capath: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=cafile, capath=capath)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.mark.parametrize("name", ["nats", "localhost", "127.0.0.1"])
def test_clients_that_trust_the_authority_accept_the_server(folder: Path, name: str) -> None:
    handshake(folder, name, strict(cafile=folder / "nats-ca.pem"))


def test_a_server_of_another_name_is_not_accepted(folder: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(folder, "postgres", strict(cafile=folder / "nats-ca.pem"))


def test_the_authority_is_found_by_a_file_name_that_never_changes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "56c899cd.0").symlink_to(folder / "nats-ca.pem")
    handshake(folder, "nats", strict(capath=tmp_path))


@pytest.fixture
def installed_nats(folder: Path, open_folder: Path, servers: None) -> Generator[EmbeddedNats]:
    """NATS with the configuration of an installation, at an address and with a folder of the test."""
    data = DataFolder(open_folder / "nats")
    server = EmbeddedNats(data)
    listen = server.url.rpartition("@")[2]
    text = (folder / "nats.conf").read_text().replace("0.0.0.0:4222", listen)
    text = text.replace('"/data"', f'"{data.path}/nats"').replace("/run/secrets", str(folder))
    (data.path / "nats" / "nats.conf").write_text(text)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        data.close()


async def test_every_service_can_connect_to_the_bus(
    installed_nats: EmbeddedNats, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "nats-ca.pem"))
    address = installed_nats.url.rpartition("@")[2]
    for user in USERS:
        url = (folder / url_file(user)).read_text().replace("nats:4222", address)
        async with bus.connected(url, user) as client:
            assert client.is_connected
