"""The report service: documents about sessions and tasks, as PDF, HTML, Markdown and JSON."""
