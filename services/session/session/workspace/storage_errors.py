"""Converts errors of file operations to failures that can be shown to users."""

from collections.abc import Awaitable

from contracts.refusals import Code, Refusal
from eventing.reactions.jobs import JobFailed
from runtime.logging import get_logger

log = get_logger()


class StorageFailed(JobFailed):
    """Files could not be copied, packed or unpacked; nothing was changed."""


async def convert_storage_errors[R](work: Awaitable[R]) -> R:
    """Await a file operation that runs in a thread, and return its result.

    Raises:
        StorageFailed: it failed for any reason; the detail names nothing of the host.
    """
    try:
        return await work
    except Refusal as refusal:
        raise StorageFailed(refusal.code, refusal.detail) from refusal
    except OSError as error:
        log.exception("file operation failed")
        raise StorageFailed(Code.STORAGE_FAILED, f"{error.strerror or 'The files could not be read'}.") from error
    except Exception as error:  # a damaged archive can raise many types of errors, depending on the compression
        log.exception("file operation failed")
        raise StorageFailed(Code.STORAGE_FAILED, "The files could not be read.") from error
