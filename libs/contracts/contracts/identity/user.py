"""All messages about accounts: registration, service accounts, roles, and disabling."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, PlainSerializer

from contracts.identity.values import Quotas, Role
from contracts.messages import Actor, Command, Event, KeysetWindow, Page, Query, View
from contracts.samples import TIME, USER


def _only_set_fields(quotas: Quotas) -> dict[str, Any]:
    return quotas.model_dump(mode="json", exclude_unset=True)


PartialQuotas = Annotated[Quotas, PlainSerializer(_only_set_fields)]
"""Quotas of which only some are set. Only those are serialized, so that the receiver knows which ones they are."""


class UserView(View):
    """An account, as its owner sees it. A service account has no password and no e-mail address that exists.

    `quotas` are those that administrators have set. Without any they are omitted, since earlier releases do not know
    them.
    """

    sample = {
        "id": USER,
        "email": "ada@example.com",
        "username": "ada",
        "full_name": "Ada Lovelace",
        "role": "user",
        "is_active": True,
        "is_service_account": False,
        "quotas": {"concurrent_runs": 10},
        "created_at": TIME,
        "last_login_at": TIME,
    }

    id: UUID = Field(description="Id of the account.")
    email: str = Field(description="E-mail address; of a service account, one that does not exist.")
    username: str = Field(description="Username.")
    full_name: str | None = Field(description="Full name; null if not given.")
    role: Role = Field(description="Role of the account.")
    is_active: bool = Field(description="Whether the account may log in.")
    is_service_account: bool = Field(
        default=False, description="Whether the account is that of a program, which uses API keys."
    )
    quotas: Quotas = Field(
        default=Quotas(),
        exclude_if=lambda quotas: quotas == Quotas(),
        description="Quotas that administrators have set.",
    )
    created_at: datetime = Field(description="Time of creation.")
    last_login_at: datetime | None = Field(default=None, description="Time of the last login; null if there was none.")


class GetUser(Query[UserView]):
    """Return one account."""

    subject = "qry.identity.get_user"
    senders = ("gateway", "report")
    sample = {"user_id": USER}

    user_id: UUID


class ListUsers(KeysetWindow, Query[Page[UserView]]):
    """Return all accounts, newest first. Only administrators may do this.

    `search` is the beginning of an e-mail address or a username, case-folded.
    """

    subject = "qry.identity.list_users"
    sample = {"role": "user", "is_active": True, "search": "ada", "limit": 20}

    role: Role | None = None
    is_active: bool | None = None
    is_service_account: bool | None = None
    search: str | None = None


class GetActor(Query[Actor]):
    """Return a user with their current role, for other services; refused if the user does not exist or is disabled."""

    subject = "qry.identity.get_actor"
    senders = ("mcp_registry", "report", "session", "task_scheduler", "webhook")
    sample = {"user_id": USER}

    user_id: UUID


class RegisterUser(Command[UserView]):
    """Create an account with the role `user`. The e-mail address is already case-folded."""

    subject = "cmd.identity.register_user"
    outcome_query = GetUser
    sample = {
        "user_id": USER,
        "email": "ada@example.com",
        "username": "ada",
        "full_name": "Ada Lovelace",
        "password": "analytical engine",
    }

    user_id: UUID
    email: str
    username: str
    full_name: str | None = None
    password: str = Field(min_length=8, max_length=1024, repr=False)


class EnsureAdmin(Command[None]):
    """Create the first administrator; do nothing if there is one."""

    subject = "cmd.identity.ensure_admin"
    senders = ()
    sample = {"user_id": USER, "email": "admin@example.com", "password": "analytical engine"}

    user_id: UUID
    email: str
    password: str = Field(min_length=8, max_length=1024, repr=False)


class CreateServiceAccount(Command[UserView]):
    """Create an account for a program: it has no password, and uses API keys. Only administrators may do this."""

    subject = "cmd.identity.create_service_account"
    outcome_query = GetUser
    sample = {"user_id": USER, "username": "nightly-build", "full_name": "Nightly build", "role": "user"}

    user_id: UUID
    username: str
    full_name: str | None = None
    role: Role = "user"


class ChangeUser(Command[UserView]):
    """Change the role of an account or its quotas, or disable or enable it. Only administrators may do this.

    None leaves as it is, except a quota in `quotas`, which gets the default of the role.
    """

    subject = "cmd.identity.change_user"
    outcome_query = GetUser
    sample = {"user_id": USER, "role": "viewer", "is_active": None, "quotas": {"concurrent_runs": 10}}

    user_id: UUID
    role: Role | None = None
    is_active: bool | None = None
    quotas: PartialQuotas | None = None


class UserRegistered(Event):
    """An account was created; a service account without a password."""

    subject = "evt.identity.user_registered"
    sample = {"email": "ada@example.com", "username": "ada", "full_name": "Ada Lovelace", "role": "user"}

    email: str
    username: str
    full_name: str | None
    role: Role
    is_service_account: bool = False


class RoleChanged(Event):
    """The role of an account was changed. It is in force for all its tokens and API keys, also those issued before."""

    subject = "evt.identity.role_changed"
    sample = {"role": "viewer"}

    role: Role


class UserDisabled(Event):
    """An account was disabled: it cannot log in, and none of its tokens and API keys is accepted."""

    subject = "evt.identity.user_disabled"
    sample = {}


class UserEnabled(Event):
    """A disabled account was enabled: it can log in, and its API keys are accepted again."""

    subject = "evt.identity.user_enabled"
    sample = {}


class QuotasChanged(Event):
    """The quotas of an account were changed; the event carries all of them. They are in force at once."""

    subject = "evt.identity.quotas_changed"
    sample = {"quotas": {"concurrent_runs": 10}}

    quotas: Quotas = Quotas()


AccountEvent = UserRegistered | RoleChanged | UserDisabled | UserEnabled | QuotasChanged
