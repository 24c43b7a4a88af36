"""Run the whole system: `python -m onebox`. With `--follow-parent`, it stops when its parent process ends."""

import sys

from onebox.children import end_with_parent
from onebox.launcher import main

if "--follow-parent" in sys.argv:
    end_with_parent()
sys.exit(main())
