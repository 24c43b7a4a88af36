"""Where the files of reports are stored: a local folder, or a bucket of an S3-compatible object store."""

from report.storage.interface import ObjectMissing, Storage, StorageDenied

__all__ = ["ObjectMissing", "Storage", "StorageDenied"]
