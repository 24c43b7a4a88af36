"""What of large values a list shows."""

from contracts.wire import LARGEST_SHOWN, PREVIEW


def shown(column: str) -> str:
    """Give the expression for a column of JSON that stands for itself where it is small, else for its beginning."""
    return _cut(column, f"'preview', left({column}::text, {PREVIEW})")


def shown_content(column: str) -> str:
    """Give the expression for the content of messages: as `shown`, with the beginning of the text."""
    return _cut(column, f"'content', left({column} ->> 'content', {PREVIEW})")


def _cut(column: str, beginning: str) -> str:
    size = f"octet_length({column}::text)"
    cut = f"jsonb_build_object('truncated', true, 'size_bytes', {size}, {beginning})"
    return f"CASE WHEN {size} > {LARGEST_SHOWN} THEN {cut} ELSE {column} END AS {column}"


TOOL_USE = f"id, tool_name, status, {shown('tool_input')}"
