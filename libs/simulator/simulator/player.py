"""From a request to the turn that answers it."""

import json

from simulator import small_talk
from simulator.conversation import Conversation
from simulator.prompt import find, without_script
from simulator.script import Script, Turn

PROMPTS_REMEMBERED = 1_000


class Player:
    """Chooses turns; remembers how often each scripted prompt was failed, until a thousand others were."""

    def __init__(self) -> None:
        self._failures: dict[int, int] = {}

    def turn(self, conversation: Conversation) -> Turn:
        """Give the turn to play, with all that it says filled in; its `status` is set if it is to fail.

        Raises:
            WrongScript: the prompt carries a script that cannot be played.
        """
        turn = self._scripted(conversation)
        if turn.recall:
            return turn.model_copy(update={"text": "\n".join(filter(None, [turn.text, _recall(conversation)]))})
        if turn.says_nothing:
            plain = small_talk.answer(conversation)
            return turn.model_copy(update={"text": plain.text, "tools": plain.tools})
        return turn

    def _scripted(self, conversation: Conversation) -> Turn:
        answered = 0
        for message in reversed(conversation.messages):
            answered += message.role == "assistant"
            for text in reversed(message.words if message.role == "user" else []):
                if script := find(text):
                    return self._settled(script, text, min(answered, len(script.turns) - 1))
        return Turn()

    def _settled(self, script: Script, prompt: str, number: int) -> Turn:
        key = hash((prompt, number))
        turn, failed = script.turns[number], self._failures.get(key, 0)
        while turn.times and failed >= turn.times:
            failed -= turn.times
            turn = turn.then or turn.model_copy(update={"status": None, "times": None})
        if turn.times:
            self._count(key)
        return turn

    def _count(self, key: int) -> None:
        self._failures[key] = self._failures.pop(key, 0) + 1
        if len(self._failures) > PROMPTS_REMEMBERED:
            del self._failures[next(iter(self._failures))]


def _recall(conversation: Conversation) -> str:
    return json.dumps(
        [
            {"role": message.role, "text": without_script(text)}
            for message in conversation.messages
            if message.role != "system"
            for text in message.words
        ]
    )
