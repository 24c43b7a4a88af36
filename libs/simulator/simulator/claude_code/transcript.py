"""A conversation: its file, its copy at the client, and the messages that the model gets."""

import json
import os
import re
import time
from typing import Any

from simulator.claude_code.arguments import VERSION
from simulator.claude_code.channel import Channel, Frame, new_uuid

UNKNOWN_OUTCOME = (
    "[Tool call interrupted: the session ended before this call's result was recorded, so its outcome is unknown. "
    "Check whether it took effect before relying on it or running it again.]"
)
NO_RESPONSE = "No response requested."
"""What Claude Code writes itself, when it resumes a conversation that was cut: it is no turn of a script."""


def timestamp() -> str:
    """Return the time now, as the CLI writes it."""
    now = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03}Z"


class Transcript:
    """The conversation of a session, or that of a subagent.

    `entries` are the messages so far, as they are in the file.
    """

    def __init__(self, channel: Channel, session_id: str, agent_id: str | None = None) -> None:
        self._channel, self._session_id, self._agent_id = channel, session_id, agent_id
        self.cwd = os.getcwd()
        project = re.sub("[^a-zA-Z0-9]", "-", self.cwd)
        folder = f"{os.environ['CLAUDE_CONFIG_DIR']}/projects/{project}"
        self.folder = f"{folder}/{session_id}"
        self.path = f"{self.folder}/subagents/agent-{agent_id}.jsonl" if agent_id else f"{self.folder}.jsonl"
        self.entries, self._unsent, self.last = list[Frame](), list[Frame](), None

    def load(self) -> None:
        """Read the conversation of an earlier process, and close it if it was cut."""
        with open(self.path, encoding="utf-8") as file:
            found = [json.loads(line) for line in file]
        # Programs in the sandbox can forge entries.
        messages = [entry for entry in found if entry["type"] in ("user", "assistant") and entry.get("message")]
        self.entries = [entry for entry in messages if not entry.get("isSidechain")]
        self.last = self.entries[-1].get("uuid") if self.entries else None
        results = [block for block in self._open_content() if block["type"] == "tool_result"]
        if results:
            self.add("user", {"role": "user", "content": results})
            closing = {"role": "assistant", "model": "<synthetic>", "content": [{"type": "text", "text": NO_RESPONSE}]}
            self.add("assistant", {"id": new_uuid(), "type": "message", **closing})

    def _open_content(self) -> list[Frame]:
        """Return the results that the last calls do not have."""
        *_, last = self.messages() or [{"content": []}]
        known = {block.get("tool_use_id") for entry in self.entries for block in _blocks(entry["message"]["content"])}
        return [block for block in last["content"] if block.get("tool_use_id") not in known]

    def note(self, entry: Frame) -> None:
        """Add an entry that is no message."""
        self._unsent.append(entry)

    def add(self, kind: str, message: Frame, name: str | None = None, **fields: Any) -> str:
        """Add a message of the user or the assistant, and return its id."""
        name = name or new_uuid()
        agent = {"agentId": self._agent_id} if self._agent_id else {}
        entry = {"parentUuid": self.last, "isSidechain": bool(self._agent_id), **agent, "type": kind}
        entry |= {"message": message, "uuid": name, "timestamp": timestamp(), "userType": "external", **fields}
        entry |= {"entrypoint": "sdk-py", "cwd": self.cwd, "sessionId": self._session_id, "version": VERSION}
        self.entries.append(entry)
        self._unsent.append(entry)
        self.last = name
        return name

    def flush(self) -> None:
        """Write the new entries to the file, and send them to the client."""
        if not self._unsent:
            return
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(entry)}\n" for entry in self._unsent)
        self._channel.send({"type": "transcript_mirror", "filePath": self.path, "entries": self._unsent})
        self._unsent = []

    def messages(self) -> list[Frame]:
        """Return the messages for the model: neighbours of one role are one message, and every call has a result."""
        merged: list[Frame] = []
        for entry in self.entries:
            if entry.get("isApiErrorMessage"):
                continue
            role, content = entry["type"], _blocks(entry["message"]["content"])
            if merged and merged[-1]["role"] == role:
                merged[-1]["content"] += content
            else:
                merged.append({"role": role, "content": content})
        return list(_with_results(merged))


def _blocks(content: Any) -> list[Frame]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _with_results(messages: list[Frame]) -> list[Frame]:
    """Add results to the calls that were interrupted, and put all results before the texts that follow them."""
    completed: list[Frame] = []
    for n, message in enumerate(messages):
        completed.append(message)
        calls = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
        if not calls:
            continue
        following: Frame = messages[n + 1] if n + 1 < len(messages) else {"role": "user", "content": []}
        results: set[str] = {block["tool_use_id"] for block in following["content"] if block["type"] == "tool_result"}
        missing = [_missing(call) for call in calls if call not in results]
        following["content"] = sorted(missing + following["content"], key=lambda block: block["type"] != "tool_result")
        if n + 1 == len(messages):
            completed.append(following)
    return completed


def _missing(call: str) -> Frame:
    return {"type": "tool_result", "tool_use_id": call, "content": UNKNOWN_OUTCOME, "is_error": True}
