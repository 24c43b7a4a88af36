"""Save or restore a system: `python -m onebox.backup save FILE`, `python -m onebox.backup restore FILE`."""

import signal
import sys
from argparse import ArgumentParser
from pathlib import Path

from runtime import logging
from runtime.settings import InvalidSettings, load

from onebox.backup import BackupFailed
from onebox.backup.restoring import restore
from onebox.backup.saving import save
from onebox.backup.settings import BackupSettings
from onebox.errors import CannotStart
from onebox.terminal import fail


def main(arguments: list[str]) -> int:
    """Run the command, and return the exit code."""
    parser = ArgumentParser("python -m onebox.backup", description="Save or restore a system (docs/guides/backup.md).")
    parser.add_argument("command", choices=("save", "restore"))
    parser.add_argument("file", type=Path, help="the backup; its keys are in FILE.keys")
    parser.add_argument("--in-place", action="store_true", help="save to two empty files, which keep owner and mode")
    parsed = parser.parse_args(arguments)
    logging.set_up("backup", "WARNING")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to remove what is unfinished
    try:
        settings = load(BackupSettings)
        if parsed.command == "save":
            save(settings, parsed.file, in_place=parsed.in_place)
        else:
            restore(settings, parsed.file)
    except InvalidSettings as error:
        return fail(f"Invalid settings. Correct or unset them:\n{error}", 2)
    except (BackupFailed, CannotStart) as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return fail(f"The {parsed.command} was interrupted.", 130)
    except OSError as error:
        return fail(f"The {parsed.command} cannot continue: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
