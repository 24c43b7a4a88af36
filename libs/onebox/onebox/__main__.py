"""Runs the whole system: `python -m onebox`; with `--follow-parent` it stops when the program that started it ends."""

import sys

from onebox.children import follow_parent
from onebox.launcher import main

if "--follow-parent" in sys.argv:
    follow_parent()
sys.exit(main())
