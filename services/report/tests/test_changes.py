"""The diffs of tool calls that edit files."""

from typing import Any

import pytest
from contracts.session.conversation import ToolCallView
from report.collecting.changes import diff_of


@pytest.mark.parametrize(
    ("tool", "texts", "lines"),
    [
        ("Write", {"content": "one\ntwo\n"}, ["+one", "+two"]),
        ("Edit", {"old_string": "one\n", "new_string": "two\n"}, ["-one", "+two"]),
    ],
)
def test_the_last_line_feed_of_a_text_adds_no_empty_line(tool: str, texts: dict[str, Any], lines: list[str]) -> None:
    call = ToolCallView.model_construct(tool_name=tool, tool_input={"file_path": "/workspace/a.txt", **texts})
    assert (diff_of(call) or "").splitlines()[3:] == lines
