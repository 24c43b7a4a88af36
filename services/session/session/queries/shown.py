"""What of large values a list shows."""

LARGEST_SHOWN = 16 * 1024
"""Bytes of a tool's input or output that a list shows; so many of them are below what the bus carries."""
LONGEST_PROMPT = 1_000
LARGEST_FORMAT = 4 * 1024


def shown(column: str, kind: str = "jsonb") -> str:
    """Give the expression for a column that stands for itself where it is small, for its size where not."""
    size = f"octet_length({column}::text)"
    cut = f"{kind}_build_object('truncated', true, 'size_bytes', {size})"
    return f"CASE WHEN {size} > {LARGEST_SHOWN} THEN {cut} ELSE {column} END AS {column}"


TOOL_USE = f"id, tool_name, status, {shown('tool_input')}"

_PROMPT, _FORMAT = "sdk_options ->> 'system_prompt'", "octet_length((sdk_options -> 'output_format')::text)"
_SHORT_PROMPT = (
    f"CASE WHEN length({_PROMPT}) > {LONGEST_PROMPT} "
    f"THEN jsonb_build_object('system_prompt', left({_PROMPT}, {LONGEST_PROMPT}) || '…') ELSE '{{}}' END"
)
_SMALL_FORMAT = (
    f"CASE WHEN {_FORMAT} > {LARGEST_FORMAT} THEN jsonb_build_object('output_format', "
    f"jsonb_build_object('truncated', true, 'size_bytes', {_FORMAT})) ELSE '{{}}' END"
)
LISTED_OPTIONS = (
    f"CASE WHEN octet_length(sdk_options::text) > {LARGEST_FORMAT} "
    f"THEN (sdk_options::jsonb || {_SHORT_PROMPT} || {_SMALL_FORMAT})::json ELSE sdk_options END AS sdk_options"
)
"""The options of a session or a template in a list, where a long prompt is cut, and a large form is its size."""
