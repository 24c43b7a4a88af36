import json

from simulator.conversation import Conversation
from simulator.player import PROMPTS_REMEMBERED, Player
from simulator.prompt import scripted
from simulator.script import ToolCall, Turn

ONE, TWO = Turn(text="one"), Turn(text="two")
FAILS_ONCE = scripted("flaky", Turn(status=529, times=1, then=ONE))


def talk(*said: str) -> Conversation:
    """Make a conversation in which the user and the model take turns."""
    messages = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]
    return Conversation.model_validate({"model": "m", "messages": messages})


def test_the_first_turn_answers_the_prompt() -> None:
    assert Player().turn(talk(scripted("", ONE, TWO))) == ONE


def test_every_answer_moves_the_script_on() -> None:
    assert Player().turn(talk(scripted("", ONE, TWO), "one", "and?")) == TWO


def test_the_last_turn_repeats() -> None:
    assert Player().turn(talk(scripted("", ONE, TWO), "one", "and?", "two", "and?")) == TWO


def test_a_later_script_replaces_an_earlier_one() -> None:
    assert Player().turn(talk(scripted("", ONE), "one", scripted("", TWO))) == TWO


def test_the_last_script_in_a_message_counts() -> None:
    texts = [{"type": "text", "text": scripted("", turn)} for turn in (ONE, TWO)]
    body = {"model": "m", "messages": [{"role": "user", "content": texts}]}

    assert Player().turn(Conversation.model_validate(body)) == TWO


def test_a_script_of_the_model_is_not_played() -> None:
    assert Player().turn(talk("hello", scripted("", ONE), "and?")).text != "one"


def test_a_prompt_without_a_script_is_answered_with_its_echo() -> None:
    assert "You said: hello" in (Player().turn(talk("hello")).text or "")


def test_a_turn_that_says_nothing_keeps_its_pace_and_answers_plainly() -> None:
    turn = Player().turn(talk(scripted("hello", Turn(thinking="hm", delay=2))))

    assert (turn.thinking, turn.delay, turn.text) == ("hm", 2, "I am a simulator, not a model. You said: hello")


def test_a_tool_alone_stays_alone() -> None:
    turn = Turn(tools=(ToolCall(name="Bash"),))

    assert Player().turn(talk(scripted("", turn))) == turn


def test_recall_tells_what_the_model_was_shown() -> None:
    told = Player().turn(talk("hi", "hello", scripted("and?", Turn(recall=True)))).text

    assert json.loads(told or "") == [
        {"role": "user", "text": "hi"},
        {"role": "assistant", "text": "hello"},
        {"role": "user", "text": "and?"},
    ]


def test_recall_follows_a_text() -> None:
    assert (Player().turn(talk(scripted("", Turn(text="I saw:", recall=True)))).text or "").startswith("I saw:\n[")


def test_a_turn_fails_for_ever_by_default() -> None:
    player, prompt = Player(), talk(scripted("", Turn(status=500)))

    assert [player.turn(prompt).status for _ in range(3)] == [500] * 3


def test_a_turn_that_failed_often_enough_plays_what_comes_then() -> None:
    player = Player()
    player.turn(talk(FAILS_ONCE))

    assert player.turn(talk(FAILS_ONCE)) == ONE


def test_a_turn_that_failed_often_enough_says_what_else_it_holds() -> None:
    player, prompt = Player(), talk(scripted("", Turn(status=500, times=2, text="back")))

    assert [(t.status, t.text) for t in (player.turn(prompt) for _ in range(3))][-2:] == [(500, "back"), (None, "back")]


def test_failures_of_one_kind_may_follow_those_of_another() -> None:
    turn = Turn(status=500, times=1, then=Turn(status=429, times=1, then=ONE))
    player, prompt = Player(), talk(scripted("", turn))

    assert [player.turn(prompt).status for _ in range(4)] == [500, 429, None, None]


def test_every_prompt_has_its_own_failures() -> None:
    player = Player()
    player.turn(talk(FAILS_ONCE))

    assert player.turn(talk("another " + FAILS_ONCE)).status == 529


def test_the_prompt_that_failed_longest_ago_is_forgotten_first() -> None:
    player = Player()
    for number in range(PROMPTS_REMEMBERED + 1):
        player.turn(talk(f"{number} {FAILS_ONCE}"))

    assert [player.turn(talk(f"{number} {FAILS_ONCE}")).status for number in (PROMPTS_REMEMBERED, 0)] == [None, 529]
