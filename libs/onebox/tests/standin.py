"""A fake service: it answers on its ports, and stops on SIGTERM.

Arguments: fail | wrong | unready | unconfined. It imports little, because a system of tests starts eight of it.
"""

import os
import select
import signal
import socket
import sys

behaviour, env = sys.argv[1:], os.environ  # noqa: TID251  as the settings of a service
BODIES = {"unready": b"the database does not answer", "unconfined": b"agent_sandbox 0.0"}
FIRST_ADMIN = '{"email": "admin@localhost", "password": "made up"}'


def answer(connection: socket.socket) -> None:
    status = b"503 Unavailable" if "unready" in behaviour else b"200 OK"
    body = next((BODIES[word] for word in behaviour if word in BODIES), b"ok")
    connection.settimeout(5)
    try:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.0 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
    except OSError:  # the client has left
        pass
    finally:
        connection.close()


def stop(*_: object) -> None:
    sys.exit()


def serve(servers: list[socket.socket]) -> None:
    while True:
        for server in select.select(servers, [], [])[0]:
            answer(server.accept()[0])


if "fail" in behaviour:
    sys.exit("failed")
if "wrong" in behaviour:
    sys.stderr.write("MODEL_API_KEY: is wrong\n")
    sys.exit(2)
signal.signal(signal.SIGTERM, stop)
if "FIRST_ADMIN_FILE" in env and "ADMIN_PASSWORD" not in env:
    with open(env["FIRST_ADMIN_FILE"], "w") as file:  # noqa: PTH123
        file.write(FIRST_ADMIN)
try:
    serve([socket.create_server(("127.0.0.1", int(env[name]))) for name in ("PORT", "OPS_PORT") if name in env])
finally:
    sys.stdout.write("stopped\n")
