"""Forks the program `forked`, as the launcher does. Arguments: the data folder, and what happens to the program."""

import signal
import sys
import time
from pathlib import Path

from onebox.children import Child
from onebox.folder import DataFolder
from onebox.forking import Module
from onebox.terminal import report

folder = DataFolder(Path(sys.argv[1]))


def forked(outcome: str = "") -> Child:
    """Return a child that has been started."""
    child = Child(Module("forked", (), {"OUTCOME": outcome}, grace=60), folder)
    child.start()
    return child


def ended(outcome: str) -> None:
    """Print the exit code of a program."""
    child = forked(outcome)
    while child.running():
        time.sleep(0.01)
    report(str(child.exit_code))


def stopped() -> None:
    """Print the exit code of a program that was asked to stop right after its start, and of one forked again."""
    child = forked("sleep")
    for _ in range(2):
        child.ask_to_stop()
        child.finish()
        report(f"{child.exit_code} {child.running()}")
        child.start()
    child.ask_to_stop()
    child.finish()


def killed() -> None:
    """Print the process id of a program, and wait to be killed."""
    report(str(forked("sleep").pid))
    time.sleep(60)


signal.signal(signal.SIGTERM, lambda _number, _frame: None)  # as the launcher handles it
match sys.argv[2]:
    case "stopped":
        stopped()
    case "killed":
        killed()
    case outcome:
        ended(outcome)
