# /// script
# requires-python = ">=3.12"
# dependencies = ["httpx>=0.28", "standardwebhooks>=1.1"]
# ///
"""Post tool calls that wait for approval to a chat, with buttons that approve or deny them.

`POST /events` receives the webhook, `POST /actions` the buttons of the chat (Slack and chats that are compatible).
"""

import hashlib
import hmac
import html
import json
import os
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx
from standardwebhooks import Webhook, WebhookVerificationError

MAX_BODY, MAX_AGE_SECONDS, MAX_TEXT = 512 * 1024, 300, 2_900
CHAT_SECONDS, API_SECONDS = 5.0, 20.0  # the webhook is answered after the chat, and has 10 s by default

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
chat_url, signing_secret = os.environ["CHAT_URL"], os.environ["CHAT_SIGNING_SECRET"].encode()
api = httpx.Client(
    base_url=os.environ["API_URL"],
    headers={"authorization": f"Bearer {os.environ['API_KEY']}"},
    timeout=API_SECONDS,
)
posted = deque[str](maxlen=1_000)  # an event may arrive more than once, with the same id


def announce(event: dict[str, Any]) -> None:
    """Post an approval to the chat. The call is plain text there: an agent wrote it, and it may look like markup."""
    call = json.dumps(event["tool_input"], indent=1, ensure_ascii=False)[:MAX_TEXT]
    buttons = [_button("approve", "primary", event), _button("deny", "danger", event)]
    if event["kind"] == "elicitation":  # an MCP server asks for input, which takes a form
        buttons = buttons[1:]
    blocks = [
        {"type": "section", "text": {"type": "plain_text", "text": f"{event['tool_name']}\n{call}"}},
        {"type": "actions", "elements": buttons},
    ]
    text = f"An agent asks to use {html.escape(event['tool_name'], quote=False)}, until {event['expires_at']}."
    httpx.post(chat_url, json={"text": text, "blocks": blocks}, timeout=CHAT_SECONDS).raise_for_status()


def _button(action: str, style: str, event: dict[str, Any]) -> dict[str, Any]:
    label = {"type": "plain_text", "text": action.capitalize()}
    return {"type": "button", "action_id": action, "style": style, "text": label, "value": event["approval_id"]}


def decide(press: dict[str, Any]) -> None:
    """Send the decision of a person to the API, and say in the chat what came of it."""
    action, person = press["actions"][0], press["user"]["username"]
    reason = {"message": f"Decided by {person} in the chat."}
    try:
        answer = api.post(f"/approvals/{action['value']}/{action['action_id']}", json=reason)
        final = answer.is_success or answer.status_code in (404, 409)  # the first decision counts; others are 409
        outcome = f"{answer.json()['status']} by {person}" if answer.is_success else answer.json()["detail"]
    except (httpx.HTTPError, ValueError) as error:
        final, outcome = False, f"the decision has not arrived, press again: {error!r}"
    reply = {"replace_original": final, "text": html.escape(f"Tool call: {outcome}", quote=False)}
    httpx.post(press["response_url"], json=reply, timeout=CHAT_SECONDS).raise_for_status()


def is_of_chat(body: bytes, timestamp: str, signature: str) -> bool:
    """Return whether the chat has signed a request, within the last minutes."""
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > MAX_AGE_SECONDS:
        return False
    expected = hmac.new(signing_secret, f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"v0={expected}".encode(), signature.encode())


class Receiver(BaseHTTPRequestHandler):
    """Receives the webhook, and the buttons of the chat."""

    timeout = 10  # for each read of the request

    def do_POST(self) -> None:
        """Answer one request."""
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            return self._answer(413)
        body = self.rfile.read(int(length))
        match self.path:
            case "/events":
                return self._event(body)
            case "/actions":
                return self._press(body)
            case _:
                return self._answer(404)

    def _event(self, body: bytes) -> None:
        """Post to the chat first: if that fails, the webhook sends the event again, for days."""
        try:
            event = webhook.verify(body, dict(self.headers))
        except WebhookVerificationError:
            return self._answer(401)
        if event["type"] == "session.approval_requested" and self.headers["webhook-id"] not in posted:
            try:
                announce(event)
            except httpx.HTTPError as error:
                self.log_error("the chat has not taken a message: %r", error)
                return self._answer(502)
            posted.append(self.headers["webhook-id"])
        return self._answer(204)

    def _press(self, body: bytes) -> None:
        """Answer first: the chat waits for 3 s. If the decision gets lost, the buttons are still there."""
        headers = self.headers
        timestamp, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        if not is_of_chat(body, timestamp, signature):
            return self._answer(401)
        press = json.loads(parse_qs(body.decode())["payload"][0])
        self._answer(200)
        try:
            return decide(press)
        except httpx.HTTPError as error:
            return self.log_error("the chat has not taken a reply: %r", error)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


if __name__ == "__main__":
    address = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))
    ThreadingHTTPServer(address, Receiver).serve_forever()
