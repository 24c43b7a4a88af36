"""Create the secrets of an installation: `python -m onebox.installation FOLDER`, which `make secrets` runs."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from onebox.backup import BackupFailed
from onebox.backup.manifest import Keys
from onebox.errors import CannotStart
from onebox.installation.creating import create
from onebox.terminal import fail, report


def main(arguments: list[str]) -> int:
    """Create what is missing in a folder, say what that was, and return the exit code."""
    about = "Create the missing secrets of an installation in containers (docs/guides/installation.md)."
    parser = ArgumentParser("python -m onebox.installation", description=about)
    parser.add_argument("folder", type=Path, help="a folder that only you may read; created if it does not exist")
    parser.add_argument("--keys", type=Path, metavar="FILE.keys", help="of a backup: take the key rings from it")
    parsed = parser.parse_args(arguments)
    folder: Path = parsed.folder
    try:
        written, notes = create(folder, Keys.read(parsed.keys).rings if parsed.keys else None)
    except (BackupFailed, CannotStart, OSError) as error:
        return fail(f"The secrets cannot be created: {error}")
    report(f"{folder}: {f'wrote {", ".join(written)}' if written else 'nothing was missing'}")
    for note in notes:
        report(note)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
