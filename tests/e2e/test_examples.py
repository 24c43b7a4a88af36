"""The programs in `examples/` do what they are for, with a whole system."""

import csv
import hashlib
import hmac
import json
import re
import subprocess
import time
from collections.abc import Generator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from contracts.public_event import PublicEvent
from contracts.samples import APPROVAL, SESSION, TIME, USER
from contracts.session.approval import ApprovalRequested
from onebox.ports import ReservedPort
from onebox.testing.system import until
from runtime import clock
from simulator.testing import calling, scripted
from standardwebhooks import Webhook

from tests.e2e.approvals import TOUCH, Asked, careful
from tests.e2e.programs import EXAMPLES, Answer, Received, Server, answering, command, environment, serving
from tests.e2e.tasks import FINE
from tests.e2e.user import PATIENCE, User

SIGNING_SECRET = "plantedsecret-of-the-chat"
WANTED = {"types": ["session.approval_requested"]}


def program_of(readme: Path) -> str:
    """Return the text of the program beside a README."""
    return next(readme.parent.glob("*.py")).read_text()


def test_the_variables_of_the_programs_are_documented() -> None:
    for readme in EXAMPLES.glob("*/README.md"):
        used = set(re.findall(r"os\.environ(?:\.get\(\s*|\[)[\"'](\w+)", program_of(readme)))
        assert used - set(re.findall(r"`([A-Z_]{4,})`", readme.read_text())) == set(), readme


class Chat:
    """A chat with the program that posts approvals to it."""

    def __init__(self, server: Server, secret: str, url: str) -> None:
        self.server, self.secret, self.url = server, secret, url

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.server.paths("/incoming")]

    def press(self, button: dict[str, Any], secret: str = SIGNING_SECRET) -> httpx.Response:
        """Press a button, as a person does."""
        pressed = {
            "user": {"username": "ada"},
            "actions": [{"action_id": button["action_id"], "value": button["value"]}],
            "response_url": f"{self.server.url}/reply",
        }
        body, now = urlencode({"payload": json.dumps(pressed)}), str(int(time.time()))
        signature = hmac.new(secret.encode(), f"v0:{now}:{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"x-slack-request-timestamp": now, "x-slack-signature": f"v0={signature}"}
        return httpx.post(f"{self.url}/actions", content=body, headers=headers, timeout=PATIENCE)

    def send(self, id: str, secret: str | None = None) -> int:
        """Send an event to the program, and return the status of its answer."""
        state = ApprovalRequested.example().model_dump(mode="json")
        event = PublicEvent.of(f"{ApprovalRequested.subject}.{USER}.{SESSION}", APPROVAL, TIME, state, 1)
        body, now = json.dumps(event.payload()), clock.now()
        signature = Webhook(secret or self.secret).sign(id, now, body)
        headers = {"webhook-id": id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
        return httpx.post(f"{self.url}/events", content=body, headers=headers, timeout=PATIENCE).status_code


@pytest.fixture
def chat(shared_user: User) -> Generator[Chat]:
    with answering(Server()) as server, ReservedPort() as port:
        url = f"http://127.0.0.1:{port.number}/events"
        webhook = shared_user.http.post("/webhooks", json=WANTED | {"url": url}).raise_for_status().json()
        variables = {"WEBHOOK_SECRET": webhook["secret"], "CHAT_SIGNING_SECRET": SIGNING_SECRET}
        variables |= {"CHAT_URL": f"{server.url}/incoming"}
        with serving("approval-notifier/notifier.py", port, environment(shared_user, **variables)) as address:
            yield Chat(server, webhook["secret"], address)
        shared_user.http.delete(f"/webhooks/{webhook['id']}").raise_for_status()


def test_an_approval_is_posted_to_a_chat_and_decided_there(shared_user: User, chat: Chat) -> None:
    asked = Asked(shared_user, careful(shared_user), TOUCH, {"text": "Done."})
    until(chat.messages)
    shown, actions = chat.messages()[0]["blocks"]
    assert shown["text"]["text"].startswith('Bash\n{\n "command": "touch made"')
    assert chat.press(actions["elements"][0]).status_code == 200
    assert asked.answer.result(PATIENCE).json()["content"]["text"] == "Done."
    until(lambda: chat.server.paths("/reply"))
    reply = {"replace_original": True, "text": "Tool call: approved by ada"}
    assert json.loads(chat.server.paths("/reply")[0].body) == reply


def test_an_approval_is_posted_once_and_again_if_the_chat_has_failed(chat: Chat) -> None:
    answers = iter([(500, b""), (200, b"ok")])
    chat.server.answer = lambda _: next(answers)
    assert [chat.send("msg_1") for _ in range(3)] == [502, 204, 204]
    assert len(chat.messages()) == 2


def test_the_notifier_refuses_what_is_not_signed(chat: Chat) -> None:
    assert chat.send("msg_1", "whsec_" + "A" * 43 + "=") == 401
    assert chat.press({"action_id": "approve", "value": APPROVAL}, "another").status_code == 401
    assert chat.server.received == []


class KillingRelay(Server):
    """Forwards requests to the API, and kills the exporter at some of them: before the answer, and right after it."""

    def __init__(self, api: str, authorization: str) -> None:
        super().__init__(self.forward)
        self.http = httpx.Client(base_url=api, headers={"authorization": authorization}, timeout=PATIENCE)
        self.exporter: subprocess.Popen[bytes] | None = None

    def forward(self, request: Received) -> Answer | None:
        answer = self.http.get(request.path).raise_for_status().content
        if len(self.received) in (2, 4) and self.exporter:
            self.exporter.kill()
        return None if len(self.received) == 2 else (200, answer)


def test_costs_are_exported_once_though_the_exporter_is_killed(user: User, admin: User, tmp_path: Path) -> None:
    sessions = [user.create(), user.create()]
    for session_id in (*sessions, *sessions):
        user.ask(session_id, FINE).raise_for_status()
    views = [user.http.get(f"/sessions/{session_id}").json() for session_id in sessions]
    relay = KillingRelay(str(admin.http.base_url), admin.http.headers["authorization"])
    arguments = (str(tmp_path), "--limit", "1", "--since", views[0]["created_at"])
    with relay.http, answering(relay):
        variables, codes = environment(admin, API_URL=relay.url), list[int]()
        while 0 not in codes:
            relay.exporter = subprocess.Popen(command("billing-exporter/exporter.py", *arguments), env=variables)
            codes.append(relay.exporter.wait(PATIENCE))
    rows = list(csv.DictReader((tmp_path / "costs.csv").read_text().splitlines()))
    costs = {row["session_id"]: Decimal(row["cost_usd"]) for row in rows if row["user_id"] == user.id()}
    assert codes == [-9, -9, 0]
    assert costs == {view["id"]: Decimal(str(view["total_cost_usd"])) for view in views}


DIFF = b"--- a/one.txt\n+++ b/one.txt\n@@ -1 +1 @@\n-one\n+two\n"
PULL_REQUEST = {
    "action": "opened",
    "number": 7,
    "repository": {"full_name": "ada/engine"},
    "pull_request": {"base": {"sha": "a" * 40}, "head": {"sha": "b" * 40}},
}
REVIEW = scripted(calling(("Read", {"file_path": "/workspace/pull.diff"})), {"text": "One is better than two."})


class GitHub:
    """A code host with the program that reviews its pull requests."""

    def __init__(self, server: Server, url: str) -> None:
        self.server, self.url = server, url

    def deliver(self, delivery: str, secret: str = SIGNING_SECRET) -> int:
        """Deliver the webhook, and return the status of the answer."""
        body = json.dumps(PULL_REQUEST).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"x-github-event": "pull_request", "x-github-delivery": delivery}
        headers |= {"x-hub-signature-256": f"sha256={signature}"}
        return httpx.post(self.url, content=body, headers=headers, timeout=PATIENCE).status_code

    def states(self) -> list[str]:
        """Return the states of the check, the oldest first."""
        return [json.loads(each.body)["state"] for each in self.server.paths(f"/repos/ada/engine/statuses/{'b' * 40}")]

    def comments(self) -> list[str]:
        return [json.loads(each.body)["body"] for each in self.server.paths("/repos/ada/engine/issues/7/comments")]


@pytest.fixture
def github(shared_user: User) -> Generator[GitHub]:
    diff = f"/repos/ada/engine/compare/{'a' * 40}...{'b' * 40}"
    with answering(Server(lambda request: (200, DIFF if request.path == diff else b"{}"))) as server:
        variables = {"GITHUB_WEBHOOK_SECRET": SIGNING_SECRET, "GITHUB_API": server.url, "GITHUB_TOKEN": "a token"}
        variables = environment(shared_user, REVIEW_PROMPT=REVIEW, **variables)
        with ReservedPort() as port, serving("pull-request-check/check.py", port, variables) as address:
            yield GitHub(server, address)


def test_a_pull_request_is_reviewed_once_by_an_agent(shared_user: User, github: GitHub) -> None:
    for already, deliveries in ((0, 2), (2, 1)):  # the first is repeated while it is reviewed, and again after that
        for _ in range(deliveries):
            assert github.deliver("0b1e5a30-9f4a-11f0-8c1d-3a1f1c0b7c0e") == 202
        ended = already + deliveries
        until(lambda ended=ended: len(github.states()) == 2 * ended)
        assert sorted(github.states()) == ["pending"] * ended + ["success"] * ended
    [session] = shared_user.items("/sessions", q="ada/engine#7")
    [call] = shared_user.items(f"/sessions/{session['id']}/tool-calls")
    assert "+two" in call["tool_output"]["content"]
    assert ["One is better than two." in comment for comment in github.comments()] == [True] * 3


def test_the_check_refuses_what_is_not_signed(github: GitHub) -> None:
    assert github.deliver("one", "another secret") == 401
    assert github.server.received == []
