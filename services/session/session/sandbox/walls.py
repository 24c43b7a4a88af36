"""What an agent sees: the words that bubblewrap builds its sandbox from."""

import sys
from pathlib import Path
from shlex import join

HERE = Path(__file__).parent
PYTHON = Path(sys.executable).resolve()
WORKSPACE = "/workspace"
SCRATCH_BYTES = 2**30
SHARED_BYTES = 2**26

WALLS = (
    "--unshare-all --unshare-user --disable-userns --uid 1000 --gid 1000 --hostname agent --cap-drop ALL "
    "--die-with-parent --new-session --ro-bind /usr /usr --proc /proc "
    f"--dev /dev --size {SHARED_BYTES} --tmpfs /dev/shm --remount-ro /dev "
    f"--size {SCRATCH_BYTES} --tmpfs /tmp --size {SCRATCH_BYTES} --tmpfs /home"
).split()


def walls(bwrap: Path, workspace: Path, shown: list[Path]) -> str:
    """Give the shell words that run what follows them in a sandbox.

    Writable there are `workspace`, and what lies in memory as long as the sandbox does: /tmp, /home and /dev/shm.
    """
    words = [str(bwrap), *WALLS, *_system(), *(word for path in [*shown, *_python()] for word in _show(path))]
    return " ".join(
        [
            join([*words, "--bind", str(workspace), WORKSPACE, "--chdir", WORKSPACE]),
            "--setenv IS_SANDBOX 1 --remount-ro / --info-fd 3 --",
        ]
    )


def _system() -> list[str]:
    words = [*_show(HERE / "passwd", "/etc/passwd"), *_show(HERE / "group", "/etc/group")]
    # Not all of /etc/ssl: it holds the private keys of this machine.
    for path in ("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/alternatives", "/etc/ld.so.cache"):
        words += _show(path)
    for path in (Path("/bin"), Path("/sbin"), Path("/lib"), Path("/lib64")):
        words += ["--symlink", str(path.readlink()), str(path)] if path.is_symlink() else _show(path)
    return words


def _python() -> list[Path]:
    return [] if PYTHON.is_relative_to("/usr") else [Path(sys.base_prefix)]


def _show(path: Path | str, at: Path | str | None = None) -> list[str]:
    return ["--ro-bind-try", str(path), str(at or path)]
