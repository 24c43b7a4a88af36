"""Where the parts of a system are: below DATA_DIR, or wherever the settings of services say."""

from pathlib import Path

from pydantic import Field
from runtime.settings import Settings

FOLDERS = ("archives", "reports", "workspaces")
RINGS = ("ring.json", "secrets.json", "replay.json")
"""The key rings: of identity, of stored secrets, and of stored responses."""


class BackupSettings(Settings):
    """The same variables as those of the services, and KEYS_DIR. A system of `make run` needs DATA_DIR only."""

    data_dir: Path = Path(".data")
    pg_bindir: Path | None = None
    database_url: str | None = Field(default=None, repr=False)
    migration_database_url: str | None = Field(default=None, repr=False)
    workspaces_dir: Path | None = None
    archives_dir: Path | None = None
    reports_dir: Path | None = None
    keys_dir: Path | None = None
    report_s3_bucket: str | None = None

    @property
    def url(self) -> str | None:
        """The external database, with the role that owns the tables; None means the embedded one."""
        return self.migration_database_url or self.database_url

    @property
    def folders(self) -> dict[str, Path]:
        """The folders with files, by name. Those that the services have elsewhere, or do not have, are left out."""
        default = {name: self.data_dir.expanduser().absolute() / name for name in FOLDERS}
        if self.workspaces_dir:
            del default["archives"]  # they are below the workspaces, unless ARCHIVES_DIR is set
        if self.report_s3_bucket:
            del default["reports"]
        chosen = {"archives": self.archives_dir, "reports": self.reports_dir, "workspaces": self.workspaces_dir}
        folders = default | {name: folder.absolute() for name, folder in chosen.items() if folder}
        return dict(sorted(folders.items()))

    @property
    def keys(self) -> Path:
        """The folder with the key rings."""
        return (self.keys_dir or self.data_dir.expanduser() / "keys").absolute()

    @property
    def uses_data_dir(self) -> bool:
        """Whether anything is below DATA_DIR."""
        data_dir = self.data_dir.expanduser().absolute()
        return not self.url or any(data_dir in folder.parents for folder in (*self.folders.values(), self.keys))
