import pytest
from simulator.prompt import WrongScript, find, scripted, without_script
from simulator.script import Script, ToolCall, Turn


def test_a_prompt_without_a_script_has_none() -> None:
    assert find("simulate [[this]]") is None


def test_a_written_script_is_found_again() -> None:
    turn = Turn(text="]] done", tools=(ToolCall(name="Read", input={"file_path": "/a"}),), delay=1)

    assert find(scripted("hello", turn)) == Script(turns=[turn])


def test_a_script_for_another_agent_may_stand_inside_a_script() -> None:
    inner = scripted("look", Turn(text="inner"))
    outer = Turn(tools=(ToolCall(name="Agent", input={"prompt": inner}),))

    assert find(scripted("", outer)) == Script(turns=[outer])


def test_a_reader_does_not_see_the_script() -> None:
    assert without_script(scripted("hello", Turn(text="x")) + " there") == "hello  there"


def test_a_broken_script_is_left_to_be_seen() -> None:
    assert without_script("hello [[simulate {]]") == "hello [[simulate {]]"


@pytest.mark.parametrize(
    ("script", "where"),
    [
        ("{]]", "character 1"),
        ('{"turns":[{}]}', "`]]` must follow"),
        ("[" * 100_000, "too deep"),
        ("5]]", "dictionary"),
        ('{"turns":[]}]]', "turns: "),
        ('{"turns":[{},{"txt":"x"}]}]]', "turns.1.txt: "),
        ('{"turns":[{"status":200}]}]]', "turns.0.status: "),
        ('{"turns":[{"hang":301}]}]]', "turns.0.hang: "),
        ('{"turns":[{"status":500,"times":1,"then":{"stall":-1}}]}]]', "turns.0.then.stall: "),
        ('{"turns":[{"times":1}]}]]', "it needs `status`"),
        ('{"turns":[{"status":500,"then":{}}]}]]', "it needs `times`"),
        ('{"turns":[{"chunks":301,"chunk_delay":1}]}]]', "more than 300 seconds"),
    ],
)
def test_a_wrong_script_is_refused_with_the_place(script: str, where: str) -> None:
    with pytest.raises(WrongScript, match=where.replace("[", r"\[")):
        find(f"[[simulate {script}")
