"""Handlers of commands about accounts."""

from contracts.identity.user import ChangeUser, CreateServiceAccount, EnsureAdmin, RegisterUser
from contracts.refusals import Code, Refusal
from eventing.actors import check_admin
from eventing.handling import Handlers

from identity.aggregate import User
from identity.credentials.passwords import check_strength
from identity.dependencies import Work
from identity.names import RESERVED_USERNAMES, comparable_username, service_email

MANAGE_ACCOUNTS = "manage accounts"

handles = Handlers()


@handles
async def register_user(command: RegisterUser, work: Work) -> None:
    """Create an account."""
    if not work.dependencies.registration_open:
        raise Refusal(Code.REGISTRATION_CLOSED, "Registration is closed. Ask an administrator for an account.")
    check_strength("password", command.password)
    _check_username(command.username)
    user = User(command.user_id)
    password_hash = await work.dependencies.passwords.hash(command.password, command.email, work.envelope)
    user.register(command.email, command.username, command.full_name, "user", password_hash)
    await work.save(user)


@handles
async def ensure_admin(command: EnsureAdmin, work: Work) -> None:
    """Create the first administrator."""
    if await work.dependencies.directory.has_admin():
        return
    user = User(command.user_id)
    password_hash = await work.dependencies.passwords.hash(command.password, command.email, work.envelope)
    user.register(command.email, "admin", None, "admin", password_hash)
    await work.save(user)


@handles
async def create_service_account(command: CreateServiceAccount, work: Work) -> None:
    """Create an account for a program."""
    check_admin(work.actor, MANAGE_ACCOUNTS)
    _check_username(command.username)
    user = User(command.user_id)
    user.register_service_account(service_email(command.user_id), command.username, command.full_name, command.role)
    await work.save(user)


@handles
async def change_user(command: ChangeUser, work: Work) -> None:
    """Change the role, the quotas or the state of an account. The projection refuses to lose the last administrator."""
    check_admin(work.actor, MANAGE_ACCOUNTS)
    async with work.change(User, command.user_id) as user:
        if command.role is not None:
            user.change_role(command.role)
        if command.is_active is not None:
            (user.enable if command.is_active else user.disable)()
        if command.quotas is not None:
            user.change_quotas(command.quotas)


def _check_username(username: str) -> None:
    if comparable_username(username) in RESERVED_USERNAMES:
        raise Refusal(Code.USERNAME_TAKEN, "The username is reserved. Choose another one.")
