"""What of large values a list shows: of a message, the first words; of what a tool got and gave, the first JSON."""

from eventing.previews import PreviewedColumn

CONTENT = PreviewedColumn("content", text="content")
TOOL_INPUT, TOOL_OUTPUT = PreviewedColumn("tool_input"), PreviewedColumn("tool_output")
TOOL_USE = f"id, tool_name, status, {TOOL_INPUT.sql}"
