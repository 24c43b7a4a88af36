"""Packs the stand-in into one executable file for a sandbox: `python -m simulator.claude_code.packing FILE`."""

import marshal
import sys
from argparse import ArgumentParser
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from zipfile import ZipFile

HERE = Path(__file__).parent
PACKAGE = "simulator/claude_code"
START = f"from {PACKAGE.replace('/', '.')}.__main__ import main\nimport sys\nmain(sys.argv[1:])\n"


def pack(path: Path) -> Path:
    """Write the program to `path`, compiled for the interpreter of this process, and return the path."""
    python = Path(sys.executable).resolve()
    with path.open("wb") as file:
        file.write(f"#!{python} -IS\n".encode())  # without site: it would take half of the start
        with ZipFile(file, "w") as archive:
            archive.writestr("__main__.pyc", _compiled(START, "__main__.py"))
            archive.writestr("simulator/__init__.pyc", _compiled("", "simulator/__init__.py"))
            for module in sorted(HERE.glob("*.py")):
                if module.name != Path(__file__).name:
                    name = f"{PACKAGE}/{module.name}"
                    archive.writestr(f"{name}c", _compiled(module.read_text(encoding="utf-8"), name))
    path.chmod(0o755)
    return path


def _compiled(source: str, name: str) -> bytes:
    code = SourceFileLoader("module", name).source_to_code(source.encode(), name)
    return MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


if __name__ == "__main__":
    about = "Pack the stand-in for Claude Code into one executable file."
    parser = ArgumentParser("python -m simulator.claude_code.packing", description=about)
    parser.add_argument("file", type=Path, help="the program to write")
    pack(parser.parse_args().file)
