import json

from simulator.conversation import Conversation
from simulator.player import MAX_REMEMBERED_PROMPTS, Player
from simulator.prompt import scripted
from simulator.script import ToolCall, Turn

ONE, TWO = Turn(text="one"), Turn(text="two")
FAILS_ONCE = scripted("flaky", Turn(status=529, times=1, then=ONE))


def conversation(*texts: str) -> Conversation:
    """Return a conversation in which the user and the model alternate."""
    messages = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]
    return Conversation.model_validate({"model": "m", "messages": messages})


def test_the_first_turn_answers_the_prompt() -> None:
    assert Player().turn(conversation(scripted("", ONE, TWO))) == ONE


def test_every_answer_advances_the_script() -> None:
    assert Player().turn(conversation(scripted("", ONE, TWO), "one", "and?")) == TWO


def test_what_closes_a_conversation_that_was_cut_is_no_answer() -> None:
    closing = "No response requested."
    assert Player().turn(conversation(scripted("", ONE, TWO), closing, "Go on.")) == ONE
    assert Player().turn(conversation(scripted("", ONE, TWO), "one", "result", closing, "Go on.")) == TWO


def test_the_last_turn_repeats() -> None:
    assert Player().turn(conversation(scripted("", ONE, TWO), "one", "and?", "two", "and?")) == TWO


def test_a_later_script_replaces_an_earlier_one() -> None:
    assert Player().turn(conversation(scripted("", ONE), "one", scripted("", TWO))) == TWO


def test_the_last_script_of_a_message_is_played() -> None:
    texts = [{"type": "text", "text": scripted("", turn)} for turn in (ONE, TWO)]
    body = {"model": "m", "messages": [{"role": "user", "content": texts}]}

    assert Player().turn(Conversation.model_validate(body)) == TWO


def test_a_script_of_the_model_is_not_played() -> None:
    assert Player().turn(conversation("hello", scripted("", ONE), "and?")).text != "one"


def test_a_prompt_without_a_script_is_echoed() -> None:
    assert "You said: hello" in (Player().turn(conversation("hello")).text or "")


def test_an_empty_turn_keeps_its_delays_and_gets_the_default_answer() -> None:
    turn = Player().turn(conversation(scripted("hello", Turn(thinking="hm", delay=2))))

    assert (turn.thinking, turn.delay, turn.text) == ("hm", 2, "I am a simulator, not a model. You said: hello")


def test_a_turn_with_tools_alone_gets_no_text() -> None:
    turn = Turn(tools=(ToolCall(name="Bash"),))

    assert Player().turn(conversation(scripted("", turn))) == turn


def test_recall_returns_the_messages_that_the_model_received() -> None:
    text = Player().turn(conversation("hi", "hello", scripted("and?", Turn(recall=True)))).text

    assert json.loads(text or "") == [
        {"role": "user", "text": "hi"},
        {"role": "assistant", "text": "hello"},
        {"role": "user", "text": "and?"},
    ]


def test_recall_follows_a_text() -> None:
    assert (Player().turn(conversation(scripted("", Turn(text="I saw:", recall=True)))).text or "").startswith(
        "I saw:\n["
    )


def test_a_turn_fails_forever_by_default() -> None:
    player, prompt = Player(), conversation(scripted("", Turn(status=500)))

    assert [player.turn(prompt).status for _ in range(3)] == [500] * 3


def test_after_its_failures_a_turn_plays_the_turn_in_then() -> None:
    player = Player()
    player.turn(conversation(FAILS_ONCE))

    assert player.turn(conversation(FAILS_ONCE)) == ONE


def test_after_its_failures_a_turn_without_then_plays_its_other_fields() -> None:
    player, prompt = Player(), conversation(scripted("", Turn(status=500, times=2, text="back")))

    assert [(t.status, t.text) for t in (player.turn(prompt) for _ in range(3))][-2:] == [(500, "back"), (None, "back")]


def test_after_its_stalls_a_turn_is_played_without_them() -> None:
    player, prompt = Player(), conversation(scripted("", Turn(text="slow", stall=300, times=1)))

    assert [(turn.text, turn.stall) for turn in (player.turn(prompt) for _ in range(2))] == [("slow", 300), ("slow", 0)]


def test_failures_of_different_kinds_can_be_chained() -> None:
    turn = Turn(status=500, times=1, then=Turn(status=429, times=1, then=ONE))
    player, prompt = Player(), conversation(scripted("", turn))

    assert [player.turn(prompt).status for _ in range(4)] == [500, 429, None, None]


def test_failures_are_counted_per_prompt() -> None:
    player = Player()
    player.turn(conversation(FAILS_ONCE))

    assert player.turn(conversation("another " + FAILS_ONCE)).status == 529


def test_the_prompt_that_failed_longest_ago_is_forgotten_first() -> None:
    player = Player()
    for number in range(MAX_REMEMBERED_PROMPTS + 1):
        player.turn(conversation(f"{number} {FAILS_ONCE}"))

    assert [player.turn(conversation(f"{number} {FAILS_ONCE}")).status for number in (MAX_REMEMBERED_PROMPTS, 0)] == [
        None,
        529,
    ]
