"""Files of up to 64 MiB, from the client to the workspace and back."""

import hashlib
import random
import secrets
import socket
from collections.abc import Generator

import pytest
from contracts.wire import MAX_FILE_BYTES
from onebox.testing.system import System, until

from tests.e2e.user import User


@pytest.fixture
def session_id(shared_user: User) -> Generator[str]:
    """A session that leaves no large files behind, since the test of the system searches all of them."""
    session_id = shared_user.create()
    yield session_id
    shared_user.http.delete(f"/sessions/{session_id}").raise_for_status()


def url(session_id: str, path: str = "large") -> str:
    return f"/sessions/{session_id}/workspace/{path}"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def unfinished(system: System, session_id: str) -> list[str]:
    return [path.name for path in system.data_dir.glob(f"workspaces/.uploads/{session_id}/*")]


def test_a_keyed_large_file_is_written_once(shared_user: User, session_id: str, system: System) -> None:
    content = random.Random(3).randbytes(MAX_FILE_BYTES)  # noqa: S311  no secret
    key = {"idempotency-key": secrets.token_hex(16)}
    first, again = [shared_user.http.put(url(session_id), content=content, headers=key) for _ in range(2)]
    assert (first.status_code, again.status_code, again.headers["idempotent-replayed"]) == (201, 201, "true")
    assert (again.headers["etag"], again.json()["size_bytes"]) == (first.headers["etag"], MAX_FILE_BYTES)
    assert digest(shared_user.http.get(url(session_id)).content) == digest(content)
    assert unfinished(system, session_id) == []


def test_a_large_file_that_is_cut_off_leaves_nothing(shared_user: User, session_id: str, system: System) -> None:
    base = shared_user.http.base_url
    with socket.create_connection((base.host, base.port or 80)) as connection:
        head = f"PUT {base.path}{url(session_id)[1:]} HTTP/1.1\r\nhost: {base.host}:{base.port}\r\n"
        head += f"authorization: {shared_user.http.headers['authorization']}\r\n"
        head += f"content-length: {MAX_FILE_BYTES}\r\n\r\n"
        connection.sendall(head.encode() + bytes(MAX_FILE_BYTES // 8))
        until(lambda: unfinished(system, session_id))
    until(lambda: not unfinished(system, session_id))
    assert shared_user.items(url(session_id, "").rstrip("/")) == []
