"""Whether a service starts where programs cannot be confined, and what it says then."""

from runtime.http.health import Check, Degraded
from runtime.logging import get_logger
from runtime.settings import Settings
from runtime.starting import CannotStart

from sandbox import PROBE, Program, Sandbox

log = get_logger()

FIX = (
    "In a container, this needs the seccomp profile deploy/seccomp/session.json and an unmasked /proc "
    '(docs/guides/sandbox.md, "In a container"); elsewhere bubblewrap, and user namespaces for this account.'
)


class SandboxSettings(Settings):
    """The setting of a service that starts programs in sandboxes; `sandbox_required` is set in the images."""

    sandbox_required: bool = False


async def find_sandbox(effect: str, probe: Program = PROBE, *, required: bool) -> Sandbox:
    """Return this machine's sandbox. If it cannot confine programs, log the reason, and the effect on the service.

    Raises:
        CannotStart: it cannot, and is required.
    """
    sandbox, reason = await Sandbox.find(probe)
    if reason and required:
        text = " ".join(reason.split()).rstrip(".")
        raise CannotStart(f"SANDBOX_REQUIRED=true: programs cannot be confined here: {text}. {FIX}")
    if reason:
        log.warning(effect, reason=reason)
    return sandbox


def check_of(sandbox: Sandbox, effect: str) -> Check:
    """Return the check for readiness that reports the effect of a sandbox that cannot confine programs."""

    async def check() -> None:
        if not sandbox.confines:
            raise Degraded(effect)

    return check
