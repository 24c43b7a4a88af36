import socket

import pytest
from onebox.errors import CannotStart
from onebox.ports import ReservedPort


def test_a_port_in_use_is_refused_and_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotStart, match=f"Port {port} is in use .* PORT="):
            ReservedPort(port=port)


def test_a_server_can_listen_on_a_reserved_port() -> None:
    with ReservedPort() as port, socket.create_server(("127.0.0.1", port.number)) as server:
        assert server.getsockname()[1] == port.number


def test_a_host_that_is_not_this_machine_is_refused_and_named() -> None:
    with pytest.raises(CannotStart, match=r"HOST=192\.0\.2\.1 is not an address of this machine"):
        ReservedPort("192.0.2.1")
