"""The report service as a whole."""

from eventing.service import Service

from report.aggregate import Report
from report.dependencies import Dependencies, dependencies
from report.due import REPORT_EXPIRY
from report.handlers import handles
from report.projections import project
from report.queries import answers
from report.reactions import reactions
from report.read_models import READ_MODELS
from report.settings import Settings

service: Service[Settings, Dependencies] = Service(
    name="report",
    aggregates=[Report],
    commands=handles,
    queries=answers,
    project=project,
    dependencies=dependencies,
    reactions=reactions,
    read_models=READ_MODELS,
    followers=["identity", "webhook"],
    due=[REPORT_EXPIRY],
)
