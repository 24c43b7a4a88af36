"""Handlers of commands about bus users."""

from contracts.identity.bus_user import (
    BusUserCreated,
    BusUserReplayed,
    BusUserRevoked,
    CreateBusUser,
    GetBusUser,
    NewBusUserView,
    ReplayBusUser,
    RevokeBusUser,
)
from contracts.refusals import Code, Refusal
from eventing.handling import Handlers
from runtime.bus.nkeys import USER, KeyPair

from identity.aggregate import User
from identity.dependencies import Work

NOT_AVAILABLE = "The operator has not set up bus users. Use webhooks or event streams instead."

handles = Handlers()


@handles
async def create_bus_user(command: CreateBusUser, work: Work) -> NewBusUserView:
    """Create a bus user of the actor, whose private key is returned only now."""
    gatekeeper = work.dependencies.programs.gatekeeper
    if gatekeeper is None:
        raise Refusal(Code.BUS_USERS_NOT_AVAILABLE, NOT_AVAILABLE)
    key = KeyPair.new(USER)
    created = BusUserCreated(
        **command.model_dump(exclude={"since"}), since=command.since or work.now, public_key=key.public
    )
    async with work.change(User, work.actor.user_id) as user:
        user.create_bus_user(created)
        await gatekeeper.ensure_stream()  # before the answer: events that follow it are published
    view = await work.ask(GetBusUser(bus_user_id=command.bus_user_id))
    return NewBusUserView(**dict(view), seed=key.seed)


@handles
async def replay_bus_user(command: ReplayBusUser, work: Work) -> None:
    """Have a bus user begin again."""
    found = await work.ask(GetBusUser(bus_user_id=command.bus_user_id))
    async with work.change(User, found.user_id) as user:
        user.change_bus_user(BusUserReplayed(bus_user_id=found.id, since=command.since))


@handles
async def revoke_bus_user(command: RevokeBusUser, work: Work) -> None:
    """Revoke a bus user of the actor, or as an administrator any one."""
    found = await work.ask(GetBusUser(bus_user_id=command.bus_user_id))
    async with work.change(User, found.user_id) as user:
        user.change_bus_user(BusUserRevoked(bus_user_id=found.id))
