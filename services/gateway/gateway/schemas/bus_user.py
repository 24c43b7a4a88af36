"""Models of bus users."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from contracts.identity.bus_user import BusUserView, CreateBusUser, ListBusUsers, NewBusUserView, ReplayBusUser
from contracts.samples import TIME, USER
from pydantic import AfterValidator, Field, StrictBool, StringConstraints
from runtime import clock

from gateway import ids
from gateway.schemas.base import RequestBody, ResponseModel, SecretResponse
from gateway.schemas.lists import KeysetWindow, ListPage
from gateway.schemas.times import Time


def _past(time: datetime) -> datetime:
    if time > clock.now():
        raise ValueError("must not be in the future")
    return time


Since = Annotated[Time, AfterValidator(_past)]


class NewBusUser(RequestBody):
    """A bus user to create."""

    sample = {"name": "billing", "types": ["session.run_*"]}

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
        Field(description="What the bus user is for."),
    ]
    types: Annotated[
        list[str],
        Field(description="Types of events to receive, as in `types` of event streams; `*` stands for all."),
    ] = ["*"]
    all_users: Annotated[
        StrictBool, Field(description="Whether it receives the events of all users; for administrators only.")
    ] = False
    since: Annotated[
        Since | None, Field(description="Time of the events to begin with, if they are kept; null for new ones.")
    ] = None

    def command(self) -> CreateBusUser:
        """Return the command, with a new id."""
        return CreateBusUser(
            bus_user_id=ids.new_id(), name=self.name, types=self.types, all_users=self.all_users, since=self.since
        )


class Replay(RequestBody):
    """The time from which a bus user receives the events again."""

    sample = {"since": TIME}

    since: Annotated[Since, Field(description="Time of the events to begin with.")]

    def command(self, bus_user_id: UUID) -> ReplayBusUser:
        """Return the command."""
        return ReplayBusUser(bus_user_id=bus_user_id, since=self.since)


class BusUserWindow(KeysetWindow):
    """Query parameters of the list of bus users."""

    user_id: Annotated[UUID | None, Field(description="Return only bus users of this account.", examples=[USER])] = None

    def query(self) -> ListBusUsers:
        """Return the query."""
        return ListBusUsers(**self.model_dump())


class BusUser(BusUserView, ResponseModel):
    """A bus user, without its private key."""


class BusUserWithSeed(NewBusUserView, SecretResponse):
    """A bus user with its private key, which is shown only once."""


class BusUserPage(ListPage[BusUser]):
    """Bus users, newest first."""
