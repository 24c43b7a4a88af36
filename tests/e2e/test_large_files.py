"""Files of up to 64 MiB, from the client to the workspace and back."""

import hashlib
import random
import secrets
import socket
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from contracts.wire import MAX_FILE_BYTES
from onebox.testing.system import System, until

from tests.e2e.user import User


@pytest.fixture
def session_id(user: User) -> Generator[str]:
    """A session that leaves no large files behind, since the test of the system searches all of them."""
    session_id = user.create()
    yield session_id
    user.http.delete(f"/sessions/{session_id}").raise_for_status()


def url(session_id: str, path: str = "large") -> str:
    return f"/sessions/{session_id}/workspace/{path}"


def content_of(seed: int) -> bytes:
    return random.Random(seed).randbytes(MAX_FILE_BYTES)  # noqa: S311  no secret


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def unfinished(system: System, session_id: str) -> list[str]:
    return [path.name for path in system.data_dir.glob(f"workspaces/.uploads/{session_id}/*")]


def problem(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error_code"]


def test_two_large_files_are_written_concurrently(user: User, session_id: str, system: System) -> None:
    contents = [content_of(seed) for seed in (1, 2)]
    paths = [url(session_id, f"large-{number}") for number in (1, 2)]
    with ThreadPoolExecutor() as clients:
        uploads = zip(paths, contents, strict=True)
        sent = [clients.submit(user.http.put, path, content=content) for path, content in uploads]
    responses = [each.result() for each in sent]
    assert [(each.status_code, each.json()["size_bytes"]) for each in responses] == [(201, MAX_FILE_BYTES)] * 2
    found = [digest(user.http.get(path).raise_for_status().content) for path in paths]
    assert found == [digest(content) for content in contents]
    assert unfinished(system, session_id) == []


def test_a_keyed_large_file_is_written_once(user: User, session_id: str) -> None:
    content, key = content_of(3), {"idempotency-key": secrets.token_hex(16)}
    first, again = [user.http.put(url(session_id), content=content, headers=key) for _ in range(2)]
    assert (first.status_code, again.status_code, again.headers["idempotent-replayed"]) == (201, 201, "true")
    assert again.headers["etag"] == first.headers["etag"]
    assert digest(user.http.get(url(session_id)).content) == digest(content)
    changed = user.http.put(url(session_id), content=content[:-1], headers=key)
    assert problem(changed) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("keyed", [False, True])
def test_a_file_above_the_limit_leaves_nothing(user: User, session_id: str, system: System, keyed: bool) -> None:
    def content() -> Iterator[bytes]:
        for _ in range(64):
            yield bytes(MAX_FILE_BYTES // 64)
        yield b"x"

    headers = {"idempotency-key": secrets.token_hex(16)} if keyed else {}
    response = user.http.put(url(session_id), content=content(), headers=headers)
    assert problem(response) == (413, "PAYLOAD_TOO_LARGE")
    assert unfinished(system, session_id) == user.items(url(session_id, "").rstrip("/")) == []


def test_a_large_file_that_is_cut_off_leaves_nothing(user: User, session_id: str, system: System) -> None:
    base = user.http.base_url
    with socket.create_connection((base.host, base.port or 80)) as connection:
        head = f"PUT {base.path}{url(session_id)[1:]} HTTP/1.1\r\nhost: {base.host}:{base.port}\r\n"
        head += f"authorization: {user.http.headers['authorization']}\r\ncontent-length: {MAX_FILE_BYTES}\r\n\r\n"
        connection.sendall(head.encode() + bytes(MAX_FILE_BYTES // 2))
        until(lambda: unfinished(system, session_id))
    until(lambda: not unfinished(system, session_id))
    assert user.items(url(session_id, "").rstrip("/")) == []


def test_a_large_file_does_not_fit_into_a_full_workspace(user: User, session_id: str, system: System) -> None:
    user.bash(session_id, "truncate -s 1000M big")  # no block of the disk, but it counts
    assert problem(user.http.put(url(session_id), content=content_of(4))) == (409, "WORKSPACE_FULL")
    assert unfinished(system, session_id) == []
    assert [file["path"] for file in user.items(f"/sessions/{session_id}/workspace")] == ["big"]
