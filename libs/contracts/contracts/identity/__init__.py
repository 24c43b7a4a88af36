"""Accounts, logins, passwords, API keys and users of the bus: one module per subject."""

from contracts.identity.api_key import ApiKeyEvent
from contracts.identity.bus_user import BusUserEvent
from contracts.identity.login import LoginEvent
from contracts.identity.password import PasswordEvent
from contracts.identity.user import AccountEvent

type UserEvent = AccountEvent | LoginEvent | PasswordEvent | ApiKeyEvent | BusUserEvent
"""The events of an account. The unions of its parts are plain aliases, which it flattens."""
