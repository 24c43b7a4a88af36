#!/bin/sh
# Creates .venv from uv.lock. Installs uv into the hidden folder .uv if it is missing; does not download Python unasked.
set -eu

: "${UV_PYTHON_PREFERENCE:=system}" "${UV_PYTHON_DOWNLOADS:=never}"
export UV_PYTHON_PREFERENCE UV_PYTHON_DOWNLOADS
unset VIRTUAL_ENV UV_PROJECT_ENVIRONMENT

report() {
    printf '%s\n' "$@" >&2
}

runs() {
    "$1" --version >/dev/null 2>&1
}

# Debian's python3 may lack venv or pip, and its pip does not install into the system (PEP 668).
install_uv() {
    report "Installing uv into .uv …"
    { python3 -m venv .uv && .uv/bin/python -m pip install --quiet uv; } >.uv.log 2>&1 && return
    rm -rf .uv
    python3 -m pip install --quiet --target .uv uv >>.uv.log 2>&1 && return
    rm -rf .uv
    PIPX_HOME="$PWD/.uv/pipx" PIPX_BIN_DIR="$PWD/.uv/bin" pipx install uv >>.uv.log 2>&1
}

if runs uv; then
    uv=uv
elif runs .uv/bin/uv || { install_uv && runs .uv/bin/uv; }; then
    uv=.uv/bin/uv
else
    report "uv is not installed, and installing it with venv, pip and pipx failed:"
    tail -n 8 .uv.log >&2
    report "Install uv (https://docs.astral.sh/uv), or the package python3-venv or pipx, and try again."
    exit 1
fi
rm -f .uv.log

if ! "$uv" python find >/dev/null 2>&1; then
    found=$("$uv" python list --only-installed 2>/dev/null) || found=none
    report "Python 3.12 or later is required. Found on this machine:" "$found"
    report "Install it, for example with \`$uv python install 3.13\`, and try again."
    exit 1
fi

if [ -x .venv/bin/python ]; then
    "$uv" sync --locked --quiet
else
    report "Creating the environment in .venv …"
    "$uv" sync --locked
fi

set -- libs/eventing/eventing/__pycache__/main.*.pyc # the last one
if [ ! -e "$1" ] && [ -x .venv/bin/python ] && [ -w libs ] && [ -z "${PYTHONPYCACHEPREFIX:-}" ]; then
    PYTHONDONTWRITEBYTECODE='' exec .venv/bin/python -P -m onebox.precompiling
fi
