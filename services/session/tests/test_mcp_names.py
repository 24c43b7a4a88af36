"""The names of MCP servers and tools for agents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from session.mcp.naming import MAX_NAME_CHARS, prefixes, tool_names

NAMES = st.lists(st.text(min_size=1, max_size=64), max_size=20)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("kubernetes", "mcp__kubernetes__"),
        ("My files (home)", "mcp__My_files_home__"),
        ("a__b", "mcp__a_b__"),
        ("Ärger", "mcp__rger__"),
        ("!!!", "mcp__server__"),
        ("Claude in Chrome", "mcp__server_Claude_in_Chrome__"),
        ("ide", "mcp__server_ide__"),
        ("ideas", "mcp__ideas__"),
    ],
)
def test_the_prefix_of_a_server_derives_from_its_name(name: str, prefix: str) -> None:
    assert prefixes([name]) == [prefix]


def test_servers_whose_names_collide_are_numbered() -> None:
    assert prefixes(["my files", "my-files", "my_files", "my.files"]) == [
        *("mcp__my_files__", "mcp__my-files__", "mcp__my_files_2__", "mcp__my_files_3__")
    ]


def test_tools_whose_names_collide_are_numbered() -> None:
    assert tool_names("mcp__lab__", ["a.b", "a_b", "a:b", "c"]) == ["a_b", "a_b_2", "a_b_3", "c"]


@given(NAMES)
def test_the_prefixes_of_servers_are_unique(names: list[str]) -> None:
    found = prefixes(names)
    assert len(set(found)) == len(names)
    assert all(prefix.count("__") == 2 for prefix in found)


@given(NAMES)
def test_tool_names_are_unique_and_accepted_by_models(names: list[str]) -> None:
    [prefix] = prefixes(["x" * 64])
    found = [prefix + name for name in tool_names(prefix, [*names, "y" * 200])]
    assert len(set(found)) == len(names) + 1
    assert all(len(name) <= MAX_NAME_CHARS and name.replace("-", "_").isidentifier() for name in found)
