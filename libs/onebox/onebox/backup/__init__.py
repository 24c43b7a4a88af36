"""Backups of a running system: `python -m onebox.backup save FILE` and `restore FILE` (docs/guides/backup.md).

FILE has the database, the files of sessions and the reports. Beside it, FILE.keys has the key rings and the SHA-256 of
FILE. With only one of the two, nobody can read the secrets or have a changed backup restored.
"""


class BackupFailed(Exception):
    """The backup could not be made or restored; the message says why, and what to do."""
