import pytest
from simulator.prompt import InvalidScript, find_script, scripted, without_script
from simulator.script import Script, ToolCall, Turn


def test_a_prompt_without_a_script_returns_none() -> None:
    assert find_script("simulate [[this]]") is None


def test_a_script_survives_a_round_trip_through_a_prompt() -> None:
    turn = Turn(text="]] done", tools=(ToolCall(name="Read", input={"file_path": "/a"}),), delay=1)

    assert find_script(scripted("hello", turn)) == Script(turns=[turn])


def test_a_script_may_contain_the_script_of_another_agent() -> None:
    inner = scripted("look", Turn(text="inner"))
    outer = Turn(tools=(ToolCall(name="Agent", input={"prompt": inner}),))

    assert find_script(scripted("", outer)) == Script(turns=[outer])


def test_the_script_is_removed_from_the_text() -> None:
    assert without_script(scripted("hello", Turn(text="x")) + " there") == "hello  there"


def test_a_broken_script_is_kept_in_the_text() -> None:
    assert without_script("hello [[simulate {]]") == "hello [[simulate {]]"


@pytest.mark.parametrize(
    ("script", "where"),
    [
        ("{]]", "character 1"),
        ('{"turns":[{}]}', "`]]` must follow"),
        ("[" * 100_000, "nested too deeply"),
        ("5]]", "dictionary"),
        ('{"turns":[]}]]', "turns: "),
        ('{"turns":[{},{"txt":"x"}]}]]', "turns.1.txt: "),
        ('{"turns":[{"status":200}]}]]', "turns.0.status: "),
        ('{"turns":[{"hang":301}]}]]', "turns.0.hang: "),
        ('{"turns":[{"status":500,"times":1,"then":{"stall":-1}}]}]]', "turns.0.then.stall: "),
        ('{"turns":[{"times":1}]}]]', "requires `status` or `stall`"),
        ('{"turns":[{"status":500,"then":{}}]}]]', "requires `times`"),
        ('{"turns":[{"chunks":301,"chunk_delay":1}]}]]', "at most 300 seconds"),
    ],
)
def test_an_invalid_script_raises_with_the_field(script: str, where: str) -> None:
    with pytest.raises(InvalidScript, match=where.replace("[", r"\[")):
        find_script(f"[[simulate {script}")
