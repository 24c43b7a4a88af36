"""The tools of an honest agent work in the same sandbox."""

import shutil

import pytest

from tests.adversarial.attacker import PYTHON, Attacker

PROGRAMS = {
    "git": (
        "git init -q . && git -c user.name=a -c user.email=a@b.c commit -q --allow-empty -m works && "
        "git log --format=%s"
    ),
    "gcc": "echo '#include <stdio.h>\nint main(void){puts(\"works\");}' > made.c && gcc made.c -o made && ./made",
    "node": 'node -e \'require("fs").writeFile("x","",()=>console.log("works"))\'',
    "tar": "mkdir box && chmod 755 box && tar cf box.tar box && rm -r box && tar xpf box.tar && ls box && echo works",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_works(attacker: Attacker, program: str) -> None:
    if shutil.which(program, path="/usr/bin:/usr/local/bin") is None:
        pytest.skip(f"there is no {program} on this machine")
    assert attacker.bash(f"({PROGRAMS[program]}) 2>&1") == "works"


def test_python_runs_threads_processes_and_a_loop_of_events(attacker: Attacker) -> None:
    assert attacker.bash(f"{PYTHON} --version").startswith("Python 3")
    assert attacker.run("""
import asyncio, concurrent.futures, multiprocessing
async def run():
    ended = await asyncio.create_subprocess_exec("true")
    return await ended.wait()
if __name__ == "__main__":
    with concurrent.futures.ThreadPoolExecutor() as pool, multiprocessing.Pool(2) as processes:
        print(json.dumps([asyncio.run(run()), pool.submit(abs, -1).result(), processes.map(abs, [-2])]))
""") == [0, 1, [2]]
