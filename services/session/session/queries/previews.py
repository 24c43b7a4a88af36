"""Previews of large values in lists: the start of a message's text, and of a tool's input and output as JSON."""

from eventing.handling.previews import PreviewedColumn

CONTENT = PreviewedColumn("content", text="content")
TOOL_INPUT, TOOL_OUTPUT = PreviewedColumn("tool_input"), PreviewedColumn("tool_output")
TOOL_USE = f"id, tool_name, status, {TOOL_INPUT.sql}"
