"""A program that switches to the account of the system, and then runs a program of PostgreSQL, which refuses root."""

import os
import sys
from itertools import pairwise
from pathlib import Path

from onebox.account import drop_privileges, ensure_access, find_account
from onebox.children import following_parent

_SOCKET = "unix_socket_directories="


def _main(program: Path, arguments: list[str]) -> None:
    account = find_account()
    folders = [Path(value) for name, value in pairwise(arguments) if name == "-D"]
    folders += [Path(text.removeprefix(_SOCKET).strip('"')) for text in arguments if text.startswith(_SOCKET)]
    for folder in folders:
        os.chown(folder, account.pw_uid, account.pw_gid)
    # Installed by Python's package manager, the programs need libraries that lie beside their own folder.
    with following_parent():
        ensure_access(account, [Path(sys.prefix), program.parent.parent, *folders])
        drop_privileges(account)
    os.execv(program, [str(program), *arguments])  # noqa: S606  a shell is not wanted


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])
