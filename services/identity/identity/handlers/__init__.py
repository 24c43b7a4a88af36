"""The command handlers of the identity service, one module per subject: load, let the aggregate decide, save."""

from eventing.handling import Handlers

from identity.handlers import api_key, audit, bus_user, login, password, statistics, user

handles = Handlers.merge(
    user.handles,
    login.handles,
    password.handles,
    api_key.handles,
    bus_user.handles,
    audit.handles,
    statistics.handles,
)
