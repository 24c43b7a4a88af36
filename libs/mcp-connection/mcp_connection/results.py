"""Results of calls, cut to a bound."""

from mcp_types import CallToolResult, ContentBlock, TextContent

CUT_NOTE = "[The result was cut off: it exceeds {limit} KiB.]"
OMITTED_NOTE = "[An item of type {type} was left out: the result exceeds {limit} KiB.]"


def cut_result(result: CallToolResult, max_bytes: int) -> CallToolResult:
    """Return the result, with text cut and other content left out where it exceeds `max_bytes` as a whole."""
    if len(result.model_dump_json()) <= max_bytes:
        return result
    left, content = max_bytes, list[ContentBlock]()
    for block in result.content:
        kept = _cut(block, left, max_bytes // 1024)
        left -= len(kept.model_dump_json())
        content.append(kept)
        if left <= 0:
            break
    return CallToolResult(content=content, is_error=result.is_error)


def _cut(block: ContentBlock, left: int, limit: int) -> ContentBlock:
    if len(block.model_dump_json()) <= left:
        return block
    if isinstance(block, TextContent):
        text = block.text.encode()[: max(left, 0)].decode(errors="ignore")
        return TextContent(type="text", text=f"{text}\n{CUT_NOTE.format(limit=limit)}")
    return TextContent(type="text", text=OMITTED_NOTE.format(type=block.type, limit=limit))
