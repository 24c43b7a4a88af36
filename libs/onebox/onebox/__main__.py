"""Runs the whole system: `python -m onebox`; with `--follow-parent` it stops when the program that started it ends."""

import sys

from onebox.children import end_with_parent
from onebox.launcher import main

if "--follow-parent" in sys.argv:
    end_with_parent()
sys.exit(main())
