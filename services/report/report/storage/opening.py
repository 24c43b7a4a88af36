"""Opening the store that the settings choose."""

from runtime.late_imports import load
from runtime.logging import get_logger
from runtime.starting import CannotStart

from report.settings import Settings
from report.storage.interface import Storage, StorageDenied
from report.storage.local import LocalStorage

log = get_logger()


async def open_storage(settings: Settings) -> Storage:
    """Return the store, after a check. One that is unavailable does not prevent the start: reports are retried.

    Raises:
        CannotStart: it refuses access, or does not exist.
    """
    variable, storage = await _storage(settings)
    try:
        await storage.check()
    except StorageDenied as error:
        raise CannotStart(f"{variable}: {error}. Correct the settings of the store of reports.") from None
    except Exception:  # an outage, of which there are many forms
        log.warning("the store of reports is unavailable", setting=variable, exc_info=True)
    return storage


async def _storage(settings: Settings) -> tuple[str, Storage]:
    if settings.report_s3_bucket:
        s3 = await load("report.storage.s3")  # 4 MiB, which only buckets need
        bucket = s3.Bucket(
            settings.report_s3_bucket,
            endpoint=str(settings.report_s3_endpoint).rstrip("/") if settings.report_s3_endpoint else None,
            region=settings.report_s3_region,
            access_key_id=settings.report_s3_access_key_id,
            secret_access_key=settings.report_s3_secret_access_key,
            prefix=settings.report_s3_prefix,
        )
        return "REPORT_S3_BUCKET", s3.S3Storage(bucket)
    if settings.reports_dir is None:
        raise CannotStart("REPORTS_DIR: it must be set, or REPORT_S3_BUCKET.")
    return "REPORTS_DIR", LocalStorage(settings.reports_dir)
