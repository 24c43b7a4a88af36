"""Run the whole system: `python -m onebox`. With `--follow-parent`, it stops when its parent process ends."""

import sys
from argparse import ArgumentParser

from runtime.loading import loading

with loading():
    from onebox.children import end_with_parent
    from onebox.launcher import main

parser = ArgumentParser("python -m onebox", description="Run the whole system (settings: docs/guides/settings.md).")
parser.add_argument("--follow-parent", action="store_true", help="stop when the parent process ends")
if parser.parse_args().follow_parent:
    end_with_parent()
sys.exit(main())
