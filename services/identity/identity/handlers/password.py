"""Handlers of commands about passwords."""

from contracts.identity.password import ChangePassword, IssuePasswordReset, PasswordResetView, ResetPassword
from contracts.refusals import Code, Refusal
from eventing.actors import check_admin
from eventing.handling import Handlers
from eventing.store import AggregateNotFound

from identity.aggregate import PasswordReset, User
from identity.credentials.passwords import check_strength
from identity.credentials.reset_tokens import RESET_TOKEN_LIFETIME, ResetToken
from identity.dependencies import Work
from identity.handlers.password_checks import matches_password
from identity.handlers.user import MANAGE_ACCOUNTS

handles = Handlers()


@handles
async def change_password(command: ChangePassword, work: Work) -> None:
    """Change the password of the actor, and end their other logins."""
    user = await work.load_owned(User, work.actor.user_id)
    account = await work.dependencies.directory.account(user.id)
    password_hash, email = (account.password_hash, account.email) if account else (None, str(user.id))
    if not await matches_password(command.current_password, password_hash, email, command.client_address, work):
        raise Refusal(Code.WRONG_PASSWORD, "current_password: Must be the password of the account.")
    check_strength("new_password", command.new_password)
    user.change_password(
        await work.dependencies.passwords.hash(command.new_password, email, work.envelope), command.family_id
    )
    await work.save(user)


@handles
async def issue_password_reset(command: IssuePasswordReset, work: Work) -> PasswordResetView:
    """Issue a token that sets a new password once, for an administrator to pass on."""
    check_admin(work.actor, MANAGE_ACCOUNTS)
    token, expires_at = ResetToken.new(command.user_id), work.now + RESET_TOKEN_LIFETIME
    async with work.change(User, command.user_id) as user:
        user.issue_password_reset(PasswordReset(token.id, expires_at))
    return PasswordResetView(reset_token=str(token), expires_at=expires_at)


@handles
async def reset_password(command: ResetPassword, work: Work) -> None:
    """Set a new password with a reset token, end all logins, and unlock the account."""
    try:
        token = ResetToken.parse(command.reset_token)
        user = await work.load(User, token.user_id)
        user.check_password_reset(token.id, work.now)  # before the hash, which is expensive
    except (ValueError, AggregateNotFound):
        detail = "The reset token is not valid. Ask an administrator for a new one."
        raise Refusal(Code.INVALID_RESET_TOKEN, detail) from None
    check_strength("new_password", command.new_password)
    account = await work.dependencies.directory.account(user.id)
    email = account.email if account else str(user.id)
    password_hash = await work.dependencies.passwords.hash(command.new_password, email, work.envelope)
    user.reset_password(token.id, password_hash, work.now)
    await work.save(user)
    await work.dependencies.attempts.forget(email)
