"""After a sweep, no secret is in an answer, an event, a table, a file or a log."""

import pytest
from onebox.testing.system import System

from tests.e2e.stored import copies, files, holders
from tests.e2e.sweep.journey import Sweep

pytestmark = pytest.mark.timeout(600)

TABLES = {
    *("identity.api_keys", "identity.events", "session.sessions", "session.events", "task_scheduler.events"),
    "mcp_registry.servers",
}


def revealed(contents: dict[str, bytes], sweep: Sweep) -> list[tuple[str, str]]:
    return [(kind, place) for kind, secret in sweep.planted.items() for place in holders(contents, [secret])]


def test_no_answer_has_a_secret(sweep: Sweep) -> None:
    answers = [*sweep.of_others, *sweep.of_admin, *sweep.of_owner]
    contents = {
        f"{number} {answer.operation.id}": answer.content + str(answer.headers).encode()
        for number, answer in enumerate(answers)
    }
    assert {name.split()[1] for name in holders(contents, [sweep.label])} >= {"listSessions", "listApiKeys"}
    assert revealed(contents, sweep) == []


def test_no_table_has_a_secret(swept_system: System, sweep: Sweep) -> None:
    tables = copies(swept_system)
    assert {*holders(tables, [sweep.label])} >= TABLES
    assert revealed(tables, sweep) == []


def test_no_file_or_log_or_event_of_the_bus_has_a_secret(swept_system: System, sweep: Sweep) -> None:
    stored = dict(files(swept_system)) | {"output": swept_system.output.encode()}
    assert {name.partition("/")[0] for name in holders(stored, [sweep.label])} >= {"postgres", "nats"}
    assert {"logs/gateway.log", "logs/identity.log", "logs/session.log"} <= stored.keys()
    assert revealed(stored, sweep) == []


@pytest.mark.parametrize(
    "shown", [b"key=s3cr3t-t0ken-s3cr3t", b"czNjcjN0LXQwa2VuLXMzY3IzdA", b"7333637233742d74306b656e2d733363723374"]
)
def test_a_secret_is_found_in_clear_and_encoded(shown: bytes) -> None:
    sweep = Sweep(ids={}, label="", planted={"token": "s3cr3t-t0ken-s3cr3t"}, before={})
    assert revealed({"a log": shown, "another": b"nothing"}, sweep) == [("token", "a log")]


def test_a_text_that_is_found_by_chance_is_refused() -> None:
    with pytest.raises(ValueError, match="too short to be searched for"):
        holders({"a log": b"nothing"}, ["x" * 15])
