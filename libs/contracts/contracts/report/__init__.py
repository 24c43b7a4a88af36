"""Reports: documents about a session, or about the executions of a task in a period."""

from contracts.report.report import ReportEvent

__all__ = ["ReportEvent"]
