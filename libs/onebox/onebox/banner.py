"""What the person at the terminal reads when the system is ready."""

import json
from pathlib import Path

from onebox.services import Place
from onebox.settings import BoxSettings


def url_of(host: str, port: int) -> str:
    """Give the address to type into a browser."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  asked for by HOST
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def demo_command(settings: BoxSettings) -> str:
    """Return what to type, in another terminal, to have the demonstration use this system."""
    fields = type(settings).model_fields
    told = {name: str(getattr(settings, name)) for name in ("host", "port", "data_dir")}
    if all(value == str(fields[name].default) for name, value in told.items()):
        return "make demo"
    if settings.host == fields["host"].default:
        return f"PORT={settings.port} make demo"
    return f"BASE_URL={url_of(settings.host, settings.port)} make demo"


def banner(place: Place, seconds: float, *, unconfined: bool = False) -> str:
    """Say where the system is, who may enter, where things lie, who plays the model, and how to stop.

    `unconfined`: no sandbox can be made on this machine.
    """
    settings = place.settings
    url = url_of(settings.host, settings.port)
    rows = [
        ("address", f"{url}   (documentation: {url}/docs)"),
        *_first_admin(place.first_admin),
        ("data", f"{place.folder.path}   (logs: {place.folder.logs})"),
        ("model", settings.model or "none: the built-in SIMULATOR plays it with scripted answers, it does not think."),
        *([] if settings.model else [("", "Set MODEL_API_KEY (and MODEL_BASE_URL) for a real one.")]),
        *([("agents", "get NO TOOLS: no sandbox can be made here; the session's log says why.")] if unconfined else []),
        ("try it", demo_command(settings)),
        ("stop", "Ctrl-C"),
    ]
    lines = "\n".join(f"  {name:<13}{text}" for name, text in rows)
    return f"\nAI-Agent-API is ready after {seconds:.1f} s.\n\n{lines}\n"


def _first_admin(file: Path) -> list[tuple[str, str]]:
    try:
        made = json.loads(file.read_text())
        return [("first admin", f"{made['email']}   password: {made['password']}   (shown only now: keep it)")]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        return [("first admin", f"could not be read from {file}")]
