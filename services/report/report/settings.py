"""The settings of the report service."""

import os
from pathlib import Path
from typing import Self

from eventing.service import ServiceSettings
from pydantic import Field, HttpUrl, PositiveFloat, PositiveInt, model_validator


class Settings(ServiceSettings):
    """Settings, read from the environment.

    Files are stored in `report_s3_bucket` if it is set, otherwise in `reports_dir`, which all replicas share. A
    completed or failed report is deleted after `report_retention_days`; 0 keeps it for ever. A report is rendered in
    one of `report_workers` processes, by default one a core, which may use `report_seconds` of CPU time and
    `report_memory_bytes`. Libraries keep in `report_cache_dir` what they found out about the fonts of the machine.
    """

    reports_dir: Path | None = None
    report_s3_bucket: str | None = None
    report_s3_endpoint: HttpUrl | None = None
    report_s3_region: str | None = None
    report_s3_access_key_id: str | None = None
    report_s3_secret_access_key: str | None = Field(default=None, repr=False)
    report_s3_prefix: str = ""
    report_retention_days: int = Field(default=90, ge=0, le=36_500)
    report_workers: PositiveInt = Field(default_factory=lambda: os.cpu_count() or 1, le=64)
    report_seconds: PositiveFloat = Field(default=120.0, le=3600)
    report_memory_bytes: int = Field(default=1024**3, ge=64 * 1024**2)
    report_theme_dir: Path | None = None
    report_cache_dir: Path | None = None

    @model_validator(mode="after")
    def _has_a_store(self) -> Self:
        if self.reports_dir is None and self.report_s3_bucket is None:
            raise ValueError("REPORTS_DIR or REPORT_S3_BUCKET must be set")
        return self
