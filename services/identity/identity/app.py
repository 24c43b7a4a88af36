"""The definition of the identity service."""

from eventing.service import Service

from identity.aggregate import User
from identity.audit_log import projectors
from identity.constraints import UNIQUE_VIOLATIONS, constrains
from identity.dependencies import Dependencies, dependencies
from identity.first_admin import ensure_admin
from identity.handlers import handles
from identity.projections import project
from identity.queries import answers
from identity.reactions import reactions
from identity.read_models import READ_MODELS
from identity.settings import Settings

service: Service[Settings, Dependencies] = Service(
    name="identity",
    aggregates=[User],
    commands=handles,
    queries=answers,
    project=project,
    dependencies=dependencies,
    constraints=constrains,
    reactions=reactions,
    read_models=READ_MODELS,
    projectors=[*projectors()],
    unique_violations=UNIQUE_VIOLATIONS,
    started=ensure_admin,
)
