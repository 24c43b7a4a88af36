"""What of a workspace's work failed for want of quota, or of a disk that works, and how that is told."""

from collections.abc import Awaitable

from contracts.refusals import Code, Refusal
from eventing.jobs import JobFailed
from runtime.logging import get_logger

log = get_logger()


class StorageFailed(JobFailed):
    """Files could not be copied, packed or unpacked; all is as it was before."""


async def convert_storage_errors[R](work: Awaitable[R]) -> R:
    """Await what is done in a thread.

    Raises:
        StorageFailed: it failed, whatever the reason; the detail names nothing of the host.
    """
    try:
        return await work
    except Refusal as refusal:
        raise StorageFailed(refusal.code, refusal.detail) from refusal
    except OSError as error:
        log.exception("files could not be convert_storage_errors")
        raise StorageFailed(Code.STORAGE_FAILED, f"{error.strerror or 'The files could not be read'}.") from error
    except Exception as error:  # an archive may be damaged in as many ways as there are compressions
        log.exception("files could not be convert_storage_errors")
        raise StorageFailed(Code.STORAGE_FAILED, "The files could not be read.") from error
