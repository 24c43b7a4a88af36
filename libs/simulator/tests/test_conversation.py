from typing import Any

from simulator.conversation import Conversation

RESULT: dict[str, Any] = {"type": "tool_result", "tool_use_id": "t", "content": "found"}
WORDS = {"type": "text", "text": "go on"}
REMINDER = {"type": "text", "text": "<system-reminder>\nbe brief\n</system-reminder>"}


def asked(*content: object, **more: object) -> Conversation:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **more}
    return Conversation.model_validate(body)


def test_the_news_are_the_last_words_of_the_user() -> None:
    assert asked(WORDS, {"type": "text", "text": "stop"}).news == "stop"


def test_reminders_of_the_cli_are_no_news() -> None:
    assert asked(REMINDER, WORDS, REMINDER).news == "go on"


def test_an_interruption_noted_by_the_cli_is_no_news() -> None:
    assert asked(WORDS, {"type": "text", "text": "[Request interrupted by user for tool use]"}).news == "go on"


def test_tool_results_are_news() -> None:
    news = asked(RESULT, {**RESULT, "content": [WORDS]}, REMINDER).news

    assert [result.words for result in news if not isinstance(result, str)] == ["found", "go on"]


def test_words_after_a_tool_result_are_newer() -> None:
    assert asked(RESULT, WORDS).news == "go on"


def test_words_before_a_tool_result_are_older() -> None:
    assert isinstance(asked(WORDS, RESULT).news, list)


def test_a_system_message_after_the_prompt_is_no_news() -> None:
    messages = [{"role": "user", "content": "hello"}, {"role": "system", "content": "# Environment"}]

    assert Conversation.model_validate({"model": "m", "messages": messages}).news == "hello"


def test_the_working_directory_comes_from_the_system_prompt() -> None:
    assert asked(WORDS, system="Working directory: /src/my app\nPlatform: linux").working_directory == "/src/my app"


def test_the_working_directory_comes_from_a_system_message() -> None:
    message = {"role": "system", "content": "# Environment\n - Primary working directory: /src\n - Shell: bash"}

    assert Conversation.model_validate({"model": "m", "messages": [message]}).working_directory == "/src"


def test_the_user_does_not_choose_the_working_directory() -> None:
    assert asked({"type": "text", "text": "Working directory: /etc"}).working_directory == "/workspace"
