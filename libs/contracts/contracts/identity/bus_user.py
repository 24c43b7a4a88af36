"""All messages about users of the bus, by which programs receive events from NATS."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from contracts.messages import Command, Event, KeysetWindow, Page, Query, View
from contracts.samples import BUS_USER, TIME, USER

PUBLIC_KEY = "UAEWMNSDNVKGW65NJRL4XUSXEYQLRNXTRSQGS5KYEYVNLMSJZMZVQFRK"
NAME = BUS_USER.replace("-", "")
DEFINITION: dict[str, Any] = {
    "name": "billing",
    "types": ["session.run_*"],
    "all_users": False,
    "since": TIME,
    "public_key": PUBLIC_KEY,
}


class BusUserView(View):
    """A user of the bus, and what its programs need in order to receive events."""

    sample = {
        "id": BUS_USER,
        "user_id": USER,
        **DEFINITION,
        "created_at": TIME,
        "url": "tls://nats.example.com:4222",
        "domain": "public",
        "stream": "PUBLIC",
        "consumer": NAME,
        "inbox_prefix": f"_INBOX_{NAME}",
        "subjects": [f"public.v1.{USER}.session.run_completed.*"],
    }

    id: UUID = Field(description="Id of the bus user.")
    user_id: UUID = Field(description="Id of the account that the bus user belongs to.")
    name: str = Field(description="What the bus user is for.")
    types: list[str] = Field(description="Types of the events that it receives.")
    all_users: bool = Field(description="Whether it receives the events of all users.")
    since: datetime = Field(description="Time of the events that it begins with.")
    public_key: str = Field(description="Public key (nkey) of the bus user.")
    created_at: datetime = Field(description="Time of creation.")
    url: str | None = Field(description="Address of NATS for programs outside; null if the operator has set none.")
    domain: str = Field(description="Domain of JetStream to name when connecting.")
    stream: str = Field(description="Stream that holds the events.")
    consumer: str = Field(description="Durable consumer that the bus user reads from.")
    inbox_prefix: str = Field(description="Prefix of the inboxes that the bus user may subscribe to.")
    subjects: list[str] = Field(description="Subjects of the events that the consumer delivers.")


class NewBusUserView(BusUserView):
    """A bus user with its seed, which is shown only now."""

    sample = BusUserView.sample | {"seed": "SUAHIDSG5FGWIZ4HKVYLJ5XFY6R2TA7TR7HJV7IBO3WR3TSKMHMKFT2BTE"}

    seed: str = Field(repr=False, description="Private key (nkey seed); it is not stored, and not shown again.")


class GetBusUser(Query[BusUserView]):
    """Return a bus user of the actor."""

    subject = "qry.identity.get_bus_user"
    sample = {"bus_user_id": BUS_USER}

    bus_user_id: UUID


class ListBusUsers(KeysetWindow, Query[Page[BusUserView]]):
    """Return the bus users that the actor may see, newest first; with `user_id`, those of one user."""

    subject = "qry.identity.list_bus_users"
    sample = {"user_id": USER}

    user_id: UUID | None = None


class CreateBusUser(Command[NewBusUserView]):
    """Create a bus user of the actor; one without `since` begins with the next event."""

    subject = "cmd.identity.create_bus_user"
    sample = {
        "bus_user_id": BUS_USER,
        "name": "billing",
        "types": ["session.run_*"],
        "all_users": False,
        "since": TIME,
    }

    bus_user_id: UUID
    name: str
    types: list[str]
    all_users: bool
    since: datetime | None = None


class ReplayBusUser(Command[BusUserView]):
    """Have a bus user receive the events since a time again."""

    subject = "cmd.identity.replay_bus_user"
    sample = {"bus_user_id": BUS_USER, "since": TIME}
    outcome_query = GetBusUser

    bus_user_id: UUID
    since: datetime


class RevokeBusUser(Command[None]):
    """Revoke a bus user."""

    subject = "cmd.identity.revoke_bus_user"
    sample = {"bus_user_id": BUS_USER}

    bus_user_id: UUID


class BusUserCreated(Event):
    """A bus user was created, by which a program receives events from NATS."""

    subject = "evt.identity.bus_user_created"
    resource = ("bus_user", "bus_user_id")
    sample = {"bus_user_id": BUS_USER, **DEFINITION}

    bus_user_id: UUID
    name: str
    types: list[str]
    all_users: bool
    since: datetime
    public_key: str


class BusUserReplayed(Event):
    """A bus user begins again with the events since a time."""

    subject = "evt.identity.bus_user_replayed"
    resource = ("bus_user", "bus_user_id")
    sample = {"bus_user_id": BUS_USER, "since": TIME}

    bus_user_id: UUID
    since: datetime


class BusUserRevoked(Event):
    """A bus user was revoked."""

    subject = "evt.identity.bus_user_revoked"
    resource = ("bus_user", "bus_user_id")
    sample = {"bus_user_id": BUS_USER}

    bus_user_id: UUID


BusUserEvent = BusUserCreated | BusUserReplayed | BusUserRevoked
