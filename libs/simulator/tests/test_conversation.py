from typing import Any

from simulator.conversation import Conversation

RESULT: dict[str, Any] = {"type": "tool_result", "tool_use_id": "t", "content": "found"}
TEXT = {"type": "text", "text": "go on"}
REMINDER = {"type": "text", "text": "<system-reminder>\nbe brief\n</system-reminder>"}


def conversation(*content: object, **more: object) -> Conversation:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **more}
    return Conversation.model_validate(body)


def test_the_input_is_the_last_text_of_the_user() -> None:
    assert conversation(TEXT, {"type": "text", "text": "stop"}).pending_input == "stop"


def test_reminders_of_claude_code_are_not_input() -> None:
    assert conversation(REMINDER, TEXT, REMINDER).pending_input == "go on"


def test_an_interruption_note_of_claude_code_is_not_input() -> None:
    assert (
        conversation(TEXT, {"type": "text", "text": "[Request interrupted by user for tool use]"}).pending_input
        == "go on"
    )


def test_tool_results_are_input() -> None:
    results = conversation(RESULT, {**RESULT, "content": [TEXT]}, REMINDER).pending_input

    assert [result.text for result in results if not isinstance(result, str)] == ["found", "go on"]


def test_a_text_after_a_tool_result_is_the_input() -> None:
    assert conversation(RESULT, TEXT).pending_input == "go on"


def test_a_text_before_a_tool_result_is_not_the_input() -> None:
    assert isinstance(conversation(TEXT, RESULT).pending_input, list)


def test_a_system_message_after_the_prompt_is_not_input() -> None:
    messages = [{"role": "user", "content": "hello"}, {"role": "system", "content": "# Environment"}]

    assert Conversation.model_validate({"model": "m", "messages": messages}).pending_input == "hello"


def test_the_working_directory_comes_from_the_system_prompt() -> None:
    assert (
        conversation(TEXT, system="Working directory: /src/my app\nPlatform: linux").working_directory == "/src/my app"
    )


def test_the_working_directory_comes_from_a_system_message() -> None:
    message = {"role": "system", "content": "# Environment\n - Primary working directory: /src\n - Shell: bash"}

    assert Conversation.model_validate({"model": "m", "messages": [message]}).working_directory == "/src"


def test_a_prompt_does_not_set_the_working_directory() -> None:
    assert conversation({"type": "text", "text": "Working directory: /etc"}).working_directory == "/workspace"
