"""Choosing the turn that answers a request."""

import json

from simulator import unscripted
from simulator.claude_code.transcript import NO_RESPONSE
from simulator.conversation import Conversation
from simulator.prompt import find_script, without_script
from simulator.script import Script, Turn

MAX_REMEMBERED_PROMPTS = 1_000


class Player:
    """Chooses turns, and counts the simulated failures and stalls of the last 1,000 scripted prompts."""

    def __init__(self) -> None:
        self._failures: dict[int, int] = {}

    def turn(self, conversation: Conversation) -> Turn:
        """Return the turn to play, complete with its text and tools. If it has a `status`, the request fails.

        Raises:
            InvalidScript: the script in the prompt is not valid.
        """
        turn = self._scripted(conversation)
        if turn.recall:
            return turn.model_copy(update={"text": "\n".join(filter(None, [turn.text, _recall(conversation)]))})
        if turn.is_empty:
            default = unscripted.answer(conversation)
            return turn.model_copy(update={"text": default.text, "tools": default.tools})
        return turn

    def _scripted(self, conversation: Conversation) -> Turn:
        answered = 0
        for message in reversed(conversation.messages):
            answered += message.role == "assistant" and message.texts != [NO_RESPONSE]
            for text in reversed(message.texts if message.role == "user" else []):
                if script := find_script(text):
                    return self._after_failures(script, text, min(answered, len(script.turns) - 1))
        return Turn()

    def _after_failures(self, script: Script, prompt: str, number: int) -> Turn:
        key = hash((prompt, number))
        turn, failed = script.turns[number], self._failures.get(key, 0)
        while turn.times and failed >= turn.times:
            failed -= turn.times
            counted = {"status": None} if turn.status else {"stall": 0}
            turn = turn.then or turn.model_copy(update={**counted, "times": None})
        if turn.times:
            self._count_failure(key)
        return turn

    def _count_failure(self, key: int) -> None:
        self._failures[key] = self._failures.pop(key, 0) + 1
        if len(self._failures) > MAX_REMEMBERED_PROMPTS:
            del self._failures[next(iter(self._failures))]


def _recall(conversation: Conversation) -> str:
    return json.dumps(
        [
            {"role": message.role, "text": without_script(text)}
            for message in conversation.messages
            if message.role != "system"
            for text in message.texts
        ]
    )
