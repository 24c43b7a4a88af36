import pytest
from simulator.conversation import Conversation
from simulator.prompt import scripted
from simulator.script import ToolCall, Turn
from simulator.unscripted import MAX_QUOTED_CHARACTERS, answer

TOOLS = [{"name": "Read"}, {"name": "Write"}]


def conversation(*contents: object, tools: list[dict[str, str]] = TOOLS) -> Conversation:
    """Return a conversation in which the user and the model alternate."""
    messages = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(contents)]
    return Conversation.model_validate({"model": "m", "messages": messages, "tools": tools})


def reply(*contents: object) -> str:
    return answer(conversation(*contents)).text or ""


@pytest.mark.parametrize(
    ("prompt", "path"),
    [
        ("read the file notes.txt", "/workspace/notes.txt"),
        ("Please read the file README and tell me about it", "/workspace/README"),
        ("read src/app.py.", "/workspace/src/app.py"),
        ('Could you open the file called "my notes.md"?', "/workspace/my notes.md"),
        ("read `/etc/hostname`", "/etc/hostname"),
        ("Read Makefile!", "/workspace/Makefile"),
    ],
)
def test_a_request_to_read_a_file_calls_read(prompt: str, path: str) -> None:
    assert answer(conversation(prompt)) == Turn(tools=(ToolCall(name="Read", input={"file_path": path}),))


@pytest.mark.parametrize(
    ("prompt", "path", "content"),
    [
        ("write the file a.txt with hello you", "/workspace/a.txt", "hello you"),
        ('Write the file /tmp/a saying "two\nlines".', "/tmp/a", "two\nlines"),
        ("create a new file called 'my list' with the content: milk", "/workspace/my list", "milk"),
        ("create a.txt containing `x`", "/workspace/a.txt", "x"),
        ("create the file empty.txt", "/workspace/empty.txt", ""),
        ("write 'good day' to the file b/c.txt, please", "/workspace/b/c.txt", "good day"),
        ("save version 2 in d.txt", "/workspace/d.txt", "version 2"),
    ],
)
def test_a_request_to_write_a_file_calls_write(prompt: str, path: str, content: str) -> None:
    call = ToolCall(name="Write", input={"file_path": path, "content": content})

    assert answer(conversation(prompt)) == Turn(tools=(call,))


@pytest.mark.parametrize("prompt", ["I like to read books", "write a poem", "open the window, it is warm."])
def test_other_uses_of_the_verbs_are_echoed(prompt: str) -> None:
    assert reply(prompt) == f"I am a simulator, not a model. You said: {prompt}"


def test_the_prompt_is_echoed_if_the_tool_is_not_available() -> None:
    assert "You said: read a.txt" in (answer(conversation("read a.txt", tools=[])).text or "")


def test_the_result_of_a_tool_is_quoted() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "1\tmilk"}

    assert reply("read a.txt", "…", [result]) == "The tool answered: 1\tmilk"


def test_the_error_of_a_tool_is_quoted() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "no such file", "is_error": True}

    assert reply("read a.txt", "…", [result]) == "The tool failed: no such file"


def test_a_long_quote_is_truncated() -> None:
    assert reply("x" * 3_000).endswith("x" * MAX_QUOTED_CHARACTERS + "… (3000 characters)")


def test_the_echo_does_not_contain_the_script() -> None:
    assert reply(scripted("hello", Turn())).endswith("You said: hello")


@pytest.mark.parametrize("question", ["What did I say before?", "what was my last message", "What have I told you?"])
def test_earlier_prompts_are_quoted(question: str) -> None:
    assert reply("one", "…", scripted("two", Turn()), "…", question) == 'You said: ["one", "two"]'


@pytest.mark.parametrize("question", ["What was my first message?", "what did I ask you first?"])
def test_only_the_first_message_is_quoted(question: str) -> None:
    assert reply("one", "…", "two", "…", question) == 'You said: ["one"]'


def test_without_earlier_messages_the_answer_says_so() -> None:
    assert reply("what did I say before?") == "This is the first thing that you said to me."


@pytest.mark.parametrize("question", ["What is my name?", "do you know what my name is? Tell me my name", "Who am I?"])
def test_the_name_is_remembered(question: str) -> None:
    assert reply("Hi, my name is Ada Lovelace and I write.", "…", question) == "Your name is Ada Lovelace."


def test_the_latest_name_is_used() -> None:
    assert reply("my name is Bob", "…", "No, my name is bobby-joe", "…", "who am I?") == "Your name is bobby-joe."


def test_an_unknown_name_is_not_invented() -> None:
    assert reply("what's my name?") == "You have not told me your name."
