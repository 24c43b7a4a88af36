"""The webhook service as a whole."""

from eventing.service import Service

from webhook.aggregate import Webhook
from webhook.constraints import constrains
from webhook.dependencies import Dependencies, dependencies
from webhook.due import DUE_KINDS
from webhook.handlers import handles
from webhook.projections import project
from webhook.publishing import PROJECTORS
from webhook.queries import answers
from webhook.reactions import reactions
from webhook.read_models import READ_MODELS
from webhook.secret_tables import SECRET_TABLES
from webhook.settings import Settings

service: Service[Settings, Dependencies] = Service(
    name="webhook",
    aggregates=[Webhook],
    commands=handles,
    queries=answers,
    project=project,
    dependencies=dependencies,
    constraints=constrains,
    reactions=reactions,
    read_models=READ_MODELS,
    projectors=[*PROJECTORS],
    followers=["identity", "webhook"],
    due=DUE_KINDS,
    secrets=SECRET_TABLES,
)
