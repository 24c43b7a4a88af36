"""What of large values a list shows."""

LARGEST_SHOWN = 16 * 1024
"""Bytes of a tool's input or output that a list shows; so many of them are below what the bus carries."""


def shown(column: str) -> str:
    """Give the expression for a column of JSON that stands for itself where it is small, for its size where not."""
    size = f"octet_length({column}::text)"
    cut = f"jsonb_build_object('truncated', true, 'size_bytes', {size})"
    return f"CASE WHEN {size} > {LARGEST_SHOWN} THEN {cut} ELSE {column} END AS {column}"


TOOL_USE = f"id, tool_name, status, {shown('tool_input')}"
