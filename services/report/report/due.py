"""The due times of reports, which projections set and cancel."""

from contracts.report.report import ExpireReport
from eventing.due import DueKind

REPORT_EXPIRY = DueKind("report_expiry", lambda due: ExpireReport(report_id=due.id))
