#!/bin/sh
# Makes .venv as uv.lock says. Brings uv, when there is none, into the hidden folder .uv; no Python is downloaded unasked.
set -eu

: "${UV_PYTHON_PREFERENCE:=system}" "${UV_PYTHON_DOWNLOADS:=never}"
export UV_PYTHON_PREFERENCE UV_PYTHON_DOWNLOADS
unset VIRTUAL_ENV UV_PROJECT_ENVIRONMENT

say() {
    printf '%s\n' "$@" >&2
}

works() {
    "$1" --version >/dev/null 2>&1
}

# Debian's python3 may lack venv, or pip, and its pip installs nothing outside a folder of its own (PEP 668).
bring_uv() {
    say "Bringing uv into .uv …"
    { python3 -m venv .uv && .uv/bin/python -m pip install --quiet uv; } >.uv.log 2>&1 && return
    rm -rf .uv
    python3 -m pip install --quiet --target .uv uv >>.uv.log 2>&1 && return
    rm -rf .uv
    PIPX_HOME="$PWD/.uv/pipx" PIPX_BIN_DIR="$PWD/.uv/bin" pipx install uv >>.uv.log 2>&1
}

if works uv; then
    uv=uv
elif works .uv/bin/uv || { bring_uv && works .uv/bin/uv; }; then
    uv=.uv/bin/uv
else
    say "uv is missing, and none of venv, pip and pipx could bring it; what they said:"
    tail -n 8 .uv.log >&2
    say "Install uv (https://docs.astral.sh/uv), or Debian's python3-venv or pipx, and run this again."
    exit 1
fi
rm -f .uv.log

if ! "$uv" python find >/dev/null 2>&1; then
    found=$("$uv" python list --only-installed 2>/dev/null) || found=none
    say "Python 3.12 or newer is needed. Found on this machine:" "$found"
    say "Install one, or let uv do it (\`$uv python install 3.13\`), and run this again."
    exit 1
fi

if [ -x .venv/bin/python ]; then
    exec "$uv" sync --locked --quiet
fi
say "Making the environment in .venv (once) …"
exec "$uv" sync --locked
