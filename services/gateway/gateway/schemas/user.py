"""Models of accounts, for administrators."""

from typing import Annotated
from uuid import UUID

from contracts.identity.user import ChangeUser, CreateServiceAccount, ListUsers
from contracts.identity.values import Quotas, Role
from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StringConstraints

from gateway import ids
from gateway.schemas.base import UNCHANGED, RequestBody, pattern_rule
from gateway.schemas.identity import USERNAME, USERNAME_RULE, User, folded
from gateway.schemas.lists import KeysetWindow, ListPage, Words


class NewServiceAccount(RequestBody):
    """A service account to create."""

    sample = {"username": "nightly-build", "full_name": "Nightly build", "role": "user"}

    username: Annotated[
        str,
        Field(pattern=USERNAME, description=f"Unique username. {USERNAME_RULE}."),
        pattern_rule(USERNAME_RULE),
    ]
    full_name: Annotated[
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None,
        Field(description="Full name, for display."),
    ] = None
    role: Annotated[Role, Field(description="Role of the account.")] = "user"

    def command(self) -> CreateServiceAccount:
        """Return the command."""
        return CreateServiceAccount(user_id=ids.new_id(), **vars(self))


def _money(value: float) -> float:
    if round(value, 6) != value:
        raise ValueError("must have at most 6 decimal places")
    return value


class QuotasChange(RequestBody):
    """Quotas of a user; those that are omitted stay as they are, and null resets one to the default of the role."""

    model_config = ConfigDict(strict=True)  # neither true nor "5" is a number

    concurrent_runs: Annotated[
        Annotated[int, Field(ge=0, le=10_000)] | None, Field(description="Runs in progress at the same time.")
    ] = UNCHANGED
    sessions_per_month: Annotated[
        Annotated[int, Field(ge=0, le=100_000_000)] | None,
        Field(description="Sessions created in a calendar month, in UTC."),
    ] = UNCHANGED
    storage_bytes: Annotated[
        Annotated[int, Field(ge=0, le=2**50)] | None, Field(description="Bytes in all workspaces and archives.")
    ] = UNCHANGED
    budget_per_month_usd: Annotated[
        Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False), AfterValidator(_money)] | None,
        Field(description="Cost of the runs in a calendar month, in US dollars."),
    ] = UNCHANGED

    def quotas(self) -> Quotas:
        """Return the quotas that were sent."""
        return Quotas.model_validate(self.model_dump(exclude_unset=True))


class UserChange(RequestBody):
    """A change of an account; fields that are omitted stay as they are."""

    sample = {"role": "viewer", "is_active": True, "quotas": {"concurrent_runs": 10}}

    role: Annotated[Role, Field(description="New role, in force for existing tokens and API keys too.")] = UNCHANGED
    is_active: Annotated[StrictBool, Field(description="False ends all logins, and refuses the API keys.")] = UNCHANGED
    quotas: Annotated[QuotasChange, Field(description="Quotas to set, in force within a second.")] = UNCHANGED

    def command(self, user_id: UUID) -> ChangeUser:
        """Return the command."""
        quotas = self.quotas.quotas() if self.quotas else None
        return ChangeUser(user_id=user_id, role=self.role, is_active=self.is_active, quotas=quotas)


class UserWindow(KeysetWindow):
    """Query parameters of the list of accounts."""

    role: Annotated[Role | None, Field(description="Return only accounts with this role.", examples=["user"])] = None
    is_active: Annotated[
        bool | None, Field(description="Return only enabled, or only disabled, accounts.", examples=[True])
    ] = None
    is_service_account: Annotated[
        bool | None, Field(description="Return only service accounts, or only those of people.", examples=[False])
    ] = None
    q: Annotated[
        Annotated[Words, AfterValidator(folded)] | None,
        Field(
            min_length=1,
            max_length=320,
            description="Return only accounts whose e-mail address or username begins with this text.",
            examples=["ada"],
        ),
    ] = None

    def query(self) -> ListUsers:
        """Return the query."""
        return ListUsers(search=self.q, **self.model_dump(exclude={"q"}))


class UserPage(ListPage[User]):
    """Accounts, newest first."""
