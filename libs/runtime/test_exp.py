import asyncio, time, signal, os, re
from pathlib import Path
import pytest
from runtime import bus
async def test_big(nats_url):
    async with bus.connected(nats_url, "x") as c:
        print("max", c.max_payload)
        await c.publish("a", b"x"*(c.max_payload-10), headers={"ce-id": "x"*100})
        await asyncio.sleep(0.5)
        print("closed?", c.is_closed, c.is_connected, c.last_error)
async def test_reload(nats_server, nats_url):
    async with bus.connected(nats_url, "x") as c:
        conf = nats_server._room / "nats.conf"
        conf.write_text(conf.read_text().replace("password: \"", "password: \"changed"))
        os.kill(nats_server.child.pid, signal.SIGHUP)
        await asyncio.sleep(1)
        print("closed?", c.is_closed, c.is_connected, c.last_error)
async def test_restart(nats_server, nats_url):
    async with bus.connected(nats_url, "x") as c:
        nats_server.child.ask_to_stop(); nats_server.child.finish()
        await asyncio.sleep(0.3)
        t=time.time()
        nats_server.start()
        while not c.is_connected: await asyncio.sleep(0.01)
        print("reconnected", time.time()-t)
async def test_wrong_password(nats_server, nats_url, monkeypatch):
    monkeypatch.setattr(bus, "CONNECT_TIMEOUT", 1.5)
    with pytest.raises(TimeoutError):
        async with bus.connected(nats_url.replace("agentapi:", "agentapi:wrong"), "x") as c: pass
