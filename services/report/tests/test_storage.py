"""The stores of reports: both kinds behave the same; and what happens if one cannot be used."""

import errno
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from moto import settings as moto_settings
from moto.server import ThreadedMotoServer
from report.settings import Settings
from report.storage import ObjectMissing, Storage, StorageDenied
from report.storage.local import LocalStorage
from report.storage.opening import open_storage
from report.storage.s3 import Bucket, S3Storage
from runtime.clock import new_id
from runtime.starting import CannotStart

DATA = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def s3() -> Generator[str]:
    """The URL of an S3 server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def bucket(endpoint: str, **fields: Any) -> Bucket:
    """Return a new bucket."""
    keys = {"access_key_id": "key", "secret_access_key": "plantedsecret", "prefix": "some/prefix"}
    return Bucket(**{"name": f"reports-{new_id()}", "endpoint": endpoint} | keys | fields)


@pytest.fixture(params=["local", "s3"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        store: Storage = LocalStorage(tmp_path / "reports")
    else:
        where = bucket(request.getfixturevalue("s3"))
        async with httpx.AsyncClient(timeout=60) as client:
            (await client.put(f"{where.endpoint}/{where.name}")).raise_for_status()
        store = S3Storage(where)
    await store.check()
    return store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(DATA)
    return file


async def test_a_file_is_read_in_parts(storage: Storage, file: Path) -> None:
    await storage.put("a/1.pdf", file)
    assert await storage.read("a/1.pdf", 0, len(DATA)) == DATA
    assert await storage.read("a/1.pdf", 1000, 5) == DATA[1000:1005]
    assert await storage.read("a/1.pdf", len(DATA) - 3, 100) == DATA[-3:]


async def test_keys_are_those_in_a_folder(storage: Storage, file: Path) -> None:
    for key in ("a/1.pdf", "a/2.pdf", "ab/1.pdf"):
        await storage.put(key, file)
    assert sorted(await storage.keys("a/")) == ["a/1.pdf", "a/2.pdf"]
    assert await storage.keys("b/") == []


async def test_a_deleted_file_is_missing(storage: Storage, file: Path) -> None:
    await storage.put("a/1.pdf", file)
    await storage.delete("a/1.pdf")
    await storage.delete("a/1.pdf")
    assert await storage.keys("a/") == []
    with pytest.raises(ObjectMissing):
        await storage.read("a/1.pdf", 0, 1)


async def test_only_the_account_of_the_service_can_read_local_files(tmp_path: Path, file: Path) -> None:
    storage = LocalStorage(tmp_path / "reports")
    await storage.check()
    await storage.put("a/1.pdf", file)
    folder = tmp_path / "reports"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "a", folder / "a/1.pdf")]
    assert modes == [0o700, 0o700, 0o600]


async def test_a_full_disk_is_reported_and_leaves_no_partial_file(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    storage = LocalStorage(tmp_path / "reports")
    await storage.check()
    monkeypatch.setattr("shutil.copyfileobj", fail)
    with pytest.raises(StorageDenied, match="No space left"):
        await storage.put("a/1.pdf", file)
    assert list((tmp_path / "reports").iterdir()) == []


async def test_a_partial_file_of_a_killed_worker_is_removed_with_the_others(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "reports")
    await storage.check()
    (tmp_path / "reports/a").mkdir()
    (tmp_path / "reports/a/.partial-1").touch()
    for key in await storage.keys("a/"):
        await storage.delete(key)
    assert list((tmp_path / "reports").iterdir()) == []


@pytest.fixture
def locked_s3(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server with a check of credentials, of which it knows none."""
    monkeypatch.setattr(moto_settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
    return s3


async def test_wrong_credentials_are_denied_everywhere(locked_s3: str, file: Path) -> None:
    storage = S3Storage(bucket(locked_s3))
    for act in (storage.check(), storage.put("a/1.pdf", file), storage.read("a/1.pdf", 0, 1), storage.keys("a/")):
        with pytest.raises(StorageDenied, match="refuses access"):
            await act


async def test_a_bucket_that_does_not_exist_is_denied(s3: str, file: Path) -> None:
    storage = S3Storage(bucket(s3, name="nowhere"))
    for act in (storage.check(), storage.put("a/1.pdf", file), storage.read("a/1.pdf", 0, 1)):
        with pytest.raises(StorageDenied, match="the bucket nowhere does not exist"):
            await act


def s3_settings(endpoint: str, **fields: str) -> Settings:
    """Return settings with a bucket."""
    servers = {"database_url": "postgresql://x", "nats_url": "nats://x"}
    keys = {"report_s3_access_key_id": "key", "report_s3_secret_access_key": "plantedsecret"}
    chosen = {"report_s3_bucket": "nowhere", "report_s3_endpoint": endpoint}
    return Settings.model_validate(servers | keys | chosen | fields)


async def test_the_service_does_not_start_with_a_store_that_denies_access(s3: str) -> None:
    with pytest.raises(CannotStart, match=r"REPORT_S3_BUCKET: the bucket nowhere does not exist"):
        await open_storage(s3_settings(s3))


async def test_the_service_starts_while_the_store_is_unavailable(file: Path) -> None:
    storage = await open_storage(s3_settings("http://127.0.0.1:1"))
    with pytest.raises(Exception, match="error sending request") as raised:
        await storage.put("a/1.pdf", file)
    assert not isinstance(raised.value, StorageDenied)


async def test_the_service_does_not_start_without_its_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = {"database_url": "postgresql://x", "nats_url": "nats://x", "reports_dir": tmp_path / "file/reports"}
    with pytest.raises(CannotStart, match=r"REPORTS_DIR: .*Not a directory"):
        await open_storage(Settings.model_validate(settings))


def test_a_store_has_to_be_chosen() -> None:
    with pytest.raises(ValueError, match="REPORTS_DIR or REPORT_S3_BUCKET must be set"):
        Settings.model_validate({"database_url": "postgresql://x", "nats_url": "nats://x"})


def test_the_secret_of_a_bucket_is_not_shown() -> None:
    assert (
        "plantedsecret" not in f"{s3_settings('http://127.0.0.1:1')} {bucket('x', secret_access_key='plantedsecret')}"
    )
