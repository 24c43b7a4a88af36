"""Collects the content of a report from the queries of other services, within bounds of size and number."""

from report.collecting.report import collect

__all__ = ["collect"]
