# nats-py does not annotate its options
# pyright: reportUnknownMemberType=false
"""Secrets are found wherever tests leave them."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import asyncpg
import nats
import pytest
from onebox.testing.buses import Buses
from onebox.testing.databases import Databases
from onebox.testing.planted import check_files, planted, revealed, revealed_in_files, searchable
from onebox.testing.planted_tables import revealed_in_compressed_rows
from onebox.testing.system import System

from libs.onebox.tests.nested import run_pytest

TOKEN, ID = "aB-_" * 10 + "xyz", "0197a1f0000070008000000000000016"
SECRET = planted("one").encode()


@pytest.mark.parametrize(
    "content",
    [
        b"is " + SECRET,
        b'{"token": "' + SECRET.hex().encode() + b'"}',
        SECRET.hex().upper().encode(),
        *(base64.b64encode(b"x" * before + SECRET) for before in range(4)),
        *(base64.urlsafe_b64encode(b"\xff" * before + SECRET) for before in range(4)),
        f"agk_{ID}_{TOKEN}".encode(),
        f"Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.{TOKEN}{TOKEN}".encode(),
        f"{ID}.{TOKEN}.{TOKEN}".encode(),
        f"#reset={ID}.{TOKEN}".encode(),
        b"whsec_" + b"a/+" * 14 + b"a=",
        f"/download?link={TOKEN}".encode(),
    ],
)
def test_a_secret_is_recognised(content: bytes) -> None:
    assert len(revealed(content)) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"planted secret",
        f"agk_{ID}".encode(),
        f"agk_{ID}_c2VjcmV0".encode(),
        b"eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.",
        f"{ID}.json".encode(),
        b"whsec_c2VjcmV0",
        b"/download?link=bGluaw",
    ],
)
def test_examples_and_ids_are_no_secrets(content: bytes) -> None:
    assert revealed(content) == []


def test_a_secret_is_shown_with_what_surrounds_it() -> None:
    assert revealed(b"x" * 100 + SECRET + b"y" * 100) == ["x" * 40 + SECRET.decode()[:13] + "-one" + "y" * 36]


@pytest.mark.parametrize("text", ["", "x" * 15, "é" * 7])
def test_a_short_text_is_not_searched_for(text: str) -> None:
    with pytest.raises(ValueError, match="too short to be searched for"):
        searchable(text)


def test_a_text_of_16_bytes_is_searched_for() -> None:
    assert searchable("é" * 8) == ("é" * 8).encode()


def test_files_with_a_secret_are_found(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "log").write_bytes(b"\0\xff" + SECRET)
    (tmp_path / "other").write_text("nothing")
    assert [found.partition(":")[0] for found in revealed_in_files(tmp_path)] == ["./one/log"]


def test_a_folder_that_cannot_be_searched_is_an_error(tmp_path: Path) -> None:
    with pytest.raises((AssertionError, FileNotFoundError)):
        check_files(tmp_path / "none")


VANISHED = "grep: ./one: No such file or directory\n"


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], None]:
    """Let the search of files end with a status and these errors, without a result."""

    def end(status: int, errors: str) -> None:
        completed = subprocess.CompletedProcess(["grep"], status, b"", errors.encode())
        monkeypatch.setattr(subprocess, "run", Mock(return_value=completed))

    return end


@pytest.mark.parametrize(
    ("status", "errors"),
    [
        (2, "grep: ./one: Input/output error\n"),
        (2, f"{VANISHED}grep: ./two: Input/output error\n"),
        (2, ""),
        (-9, ""),
        (-9, VANISHED),
    ],
    ids=["error", "another error", "silent", "killed", "killed later"],
)
def test_a_search_that_is_not_complete_is_an_error(
    tmp_path: Path, ends: Callable[[int, str], None], status: int, errors: str
) -> None:
    ends(status, errors)
    with pytest.raises(AssertionError, match=rf"failed \({status}\)"):
        check_files(tmp_path)


def test_a_file_that_is_removed_during_the_search_has_no_secret(
    tmp_path: Path, ends: Callable[[int, str], None]
) -> None:
    ends(2, VANISHED)
    check_files(tmp_path)


async def insert(url: str, kind: str, value: str | bytes) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE TABLE sample (value {kind})")
    await connection.execute("INSERT INTO sample VALUES ($1)", value)
    await connection.close()


async def leave_in_table(databases: Databases, kind: str, value: str | bytes) -> None:
    async with databases.fresh() as url:
        await insert(url, kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", "x" * 100_000 + SECRET.decode()),  # is stored compressed
        ("jsonb", json.dumps({"token": SECRET.decode()})),
        ("bytea", b"{" + SECRET + b"}"),
    ],
)
async def test_a_secret_in_a_table_is_found(databases: Databases, kind: str, value: str | bytes) -> None:
    with pytest.raises(AssertionError, match=r"public\.sample: .*plantedsecret"):
        await leave_in_table(databases, kind, value)


@pytest.mark.parametrize(("length", "times"), [(10, 0), (10_000, 1)])
async def test_of_a_running_system_the_compressed_rows_are_searched(
    databases: Databases, length: int, times: int
) -> None:
    found = list[str]()

    async def fill(url: str) -> None:
        await insert(url, "text", "x" * length + SECRET.decode())
        found.extend(revealed_in_compressed_rows(url))

    await databases.template(f"row of {length}", fill)
    assert len(found) == times


async def leave_on_bus() -> None:
    with Buses() as buses:
        client = await nats.connect(buses.fresh())
        await client.jetstream(timeout=60).add_stream(name="events", subjects=["evt.>"])
        await client.jetstream(timeout=60).publish("evt.one", SECRET)
        await client.close()


async def test_a_secret_on_a_bus_is_found() -> None:
    with pytest.raises(AssertionError, match="plantedsecret"):
        await leave_on_bus()


def leave_in_system(error: Exception | None = None) -> None:
    with System() as system:
        (system.data_dir / "logs").mkdir(parents=True)
        (system.data_dir / "logs" / "one.log").write_bytes(SECRET)
        if error:
            raise error


def test_a_secret_in_a_file_of_a_system_is_found() -> None:
    with pytest.raises(AssertionError, match=r"logs/one\.log: .*plantedsecret"):
        leave_in_system()


def test_an_error_of_a_test_is_not_replaced_by_the_search() -> None:
    with pytest.raises(LookupError):
        leave_in_system(LookupError())


LEAKS = """
import logging, os, sys, subprocess, structlog
from structlog.testing import capture_logs
SECRET = "planted" + "secret"

def test_output():
    print(SECRET)

def test_errors_of_a_child():
    subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('planted' + 'secret')"])

def test_library():
    logging.getLogger("one").warning(SECRET)

def test_service():
    structlog.get_logger().info("one", key=SECRET)

def test_captured():
    with capture_logs():
        structlog.get_logger().info("one", key=SECRET)

def test_traceback():
    with capture_logs():
        try:
            raise LookupError(SECRET)
        except LookupError:
            structlog.get_logger().exception("one")

def test_nothing():
    assert SECRET
"""


@pytest.mark.usefixtures("servers")
def test_a_test_that_writes_or_logs_a_secret_fails(tmp_path: Path) -> None:
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    ran = run_pytest(tmp_path, "-p", "onebox.testing.captured")
    assert "6 failed, 1 passed" in ran.stdout
    assert "secrets in the output or the logs of this test" in ran.stdout
