"""The text that the terminal shows when the system is ready."""

import json
from pathlib import Path

from onebox.pango import BY_HAND
from onebox.services import LaunchContext
from onebox.settings import BoxSettings, url_of

NO_SANDBOX = "WITHOUT TOOLS: this machine cannot create a sandbox. The log of the session service says why."
NO_PDF = f"not as PDF until Pango is installed. On Debian or Ubuntu: {BY_HAND}"


def demo_command(settings: BoxSettings) -> str:
    """Return the command that runs the demo against this system, for another terminal."""
    fields = type(settings).model_fields
    values = {name: str(getattr(settings, name)) for name in ("host", "port", "data_dir")}
    if all(value == str(fields[name].default) for name, value in values.items()):
        return "make demo"
    if settings.host == fields["host"].default:
        return f"PORT={settings.port} make demo"
    return f"BASE_URL={url_of(settings.host, settings.port)} make demo"


def banner(context: LaunchContext, seconds: float, *, unconfined: bool = False, without_pdf: bool = False) -> str:
    """Return the banner: address, first administrator, data folder, model, how to try and to stop the system.

    Args:
        context: the running system.
        seconds: time that the start took.
        unconfined: this machine cannot create a sandbox, so agents have no tools.
        without_pdf: reports cannot become PDF yet.
    """
    settings = context.settings
    url = url_of(settings.host, settings.port)
    rows = [
        ("address", f"{url}   (API documentation: {url}/docs)"),
        *_first_admin(context.first_admin),
        ("data", f"{context.folder.path}   (logs: {context.folder.logs})"),
        ("model", settings.model or "built-in simulator (scripted answers, no real model)"),
        *([] if settings.model else [("", "Set MODEL_API_KEY (and MODEL_BASE_URL) to use a real model.")]),
        *([("agents", NO_SANDBOX)] if unconfined else []),
        *([("reports", NO_PDF)] if without_pdf else []),
        ("try it", demo_command(settings)),
        ("stop", "Ctrl-C"),
    ]
    lines = "\n".join(f"  {name:<13}{text}" for name, text in rows)
    return f"\nAI-Agent-API is ready after {seconds:.1f} s.\n\n{lines}\n"


def _first_admin(file: Path) -> list[tuple[str, str]]:
    try:
        admin = json.loads(file.read_text())
        return [("first admin", f"{admin['email']}   password: {admin['password']}   (shown only once: save it)")]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        return [("first admin", f"cannot read {file}")]
