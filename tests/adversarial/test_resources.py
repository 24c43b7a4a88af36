"""Attacks on memory, processes, inotify and files in memory: each is limited, and the agents of others keep working.

What only cgroups limit, such as the memory of all processes together, is tested in `test_cgroups`.
"""

import os

import pytest

from tests.adversarial.attacker import Alone, Attacker

pytestmark = pytest.mark.timeout(600)

ALLOCATE = """
blocks = []
try:
    while len(blocks) < 128:
        blocks.append(bytearray(2**24))
except MemoryError:
    blocks.pop()  # for what follows
result = len(blocks)
"""
FORK_BOMB = """
import signal
children = []
try:
    while len(children) < 1000:
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
except OSError:
    pass
result = len(children)
import atexit
atexit.register(lambda: [os.kill(child, signal.SIGKILL) for child in children])
"""
INOTIFY = """
instances = []
while len(instances) < 200 and (instance := libc.inotify_init()) >= 0:
    instances.append(instance)
result = len(instances)
"""
FILES = """
import atexit, shutil
os.mkdir("/tmp/many")
atexit.register(shutil.rmtree, "/tmp/many")
made = 0
try:
    while made < 1_000_000:
        os.close(os.open(f"/tmp/many/{made}", os.O_CREAT | os.O_WRONLY))
        made += 1
except OSError:
    pass
result = made
"""


ATTACKS = {"memory": (ALLOCATE, 64), "processes": (FORK_BOMB, 128), "inotify": (INOTIFY, 16), "files": (FILES, 2**18)}
"""Programs, and the most that they may achieve."""


# `files` takes a quarter of a minute, and `libs/sandbox` proves that limit, too.
@pytest.mark.parametrize("attack", ["memory", "processes", "inotify", pytest.param("files", marks=pytest.mark.long)])
def test_an_attack_is_limited_while_the_agent_of_another_works(
    attacker: Attacker, neighbour: Attacker, attack: str
) -> None:
    if attack == "processes" and isinstance(attacker, Alone) and os.geteuid() == 0:
        pytest.skip("the kernel does not limit the processes of root")
    program, most = ATTACKS[attack]
    with attacker.hold(program) as achieved:
        assert neighbour.run("print(json.dumps(libc.inotify_init() >= 0))") is True
    assert 0 < achieved <= most
    assert attacker.bash("echo works") == "works"
