#!/bin/sh
# Builds the images, and tests them and docker-compose.yml: check.sh [ARGUMENT OF PYTEST]...
set -eu

cd "$(dirname "$0")/.."
if ! docker info >/dev/null 2>&1; then
    echo "deploy-check: NOT CHECKED: the images and docker-compose.yml, because no container engine answers (docker info)."
    exit 0
fi
if docker version | grep -q Podman; then
    echo "deploy-check: NOT CHECKED: docker-compose.yml with the seccomp profile, which Podman does not take from it."
    export COMPOSE_FILE=docker-compose.yml:deploy/podman.yml
fi
command -v promtool >/dev/null || echo "deploy-check: NOT CHECKED: deploy/monitoring/prometheus.yml, because promtool is missing."
[ -n "${FROM_VERSION:-}" ] ||
    echo "deploy-check: NOT CHECKED: an upgrade from images of an earlier release, which FROM_VERSION and FROM_IMAGES name."
echo "deploy-check: NOT RUN: the containers of the profile observe, whose images are not built here."
sh deploy/images/build.sh
exec .venv/bin/pytest -n 0 "$@" tests/deploy
