"""Starts the system as an account that is neither root nor the system's own, as any user of a machine would."""

import os
import pwd
import sys
from pathlib import Path

from onebox.account import switch_to
from onebox.launcher import main

if __name__ == "__main__":
    switch_to(pwd.getpwnam("nobody"), Path(os.environ["DATA_DIR"]))  # noqa: TID251  it has no settings
    sys.exit(main())
