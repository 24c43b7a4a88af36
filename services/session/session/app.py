"""The session service as a whole."""

from functools import partial

from eventing.service import Service

from session.agent.environments import VARIABLES
from session.aggregate import Session, SessionTemplate
from session.constraints import constrains
from session.dependencies import Dependencies, checks, dependencies, note_request
from session.handlers import handles
from session.load import measure
from session.projections import project
from session.projections.account import ACCOUNTS
from session.projections.approval import APPROVAL_EXPIRY
from session.queries import answers
from session.quotas.concurrency import START_WAITING
from session.reactions import reactions
from session.read_models import READ_MODELS
from session.settings import Settings

service: Service[Settings, Dependencies] = Service(
    name="session",
    aggregates=[Session, SessionTemplate],
    commands=handles,
    queries=answers,
    project=project,
    dependencies=dependencies,
    checks=checks,
    measure=partial(measure, APPROVAL_EXPIRY.name),
    received=note_request,
    stopping=lambda dependencies, seconds: dependencies.places.stop(seconds),
    constraints=constrains,
    reactions=reactions,
    read_models=READ_MODELS,
    followers=["identity", "webhook"],
    projectors=[ACCOUNTS],
    due=[APPROVAL_EXPIRY, START_WAITING],
    secrets=[VARIABLES],
)
