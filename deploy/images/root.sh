#!/bin/sh
# Copies the root of the base image to /image, without pip and with packages of Debian: root.sh [PACKAGE]...
# A copy, because a layer that changes another one records the time of the build.
set -eu

if [ $# != 0 ]; then
    apt-get update --quiet
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends "$@"
fi
rm -rf /usr/bin/pip* /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/lib/python3.*/ensurepip /usr/lib/python3.*/ensurepip \
    /usr/share/python-wheels /usr/lib/python3/dist-packages/pip* /usr/local/lib/python3.*/site-packages/pip* \
    /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/cache/fontconfig/* /var/cache/debconf/*-old \
    /var/lib/dpkg/*-old /var/log/apt /var/log/*.log
mkdir /image
tar --create --one-file-system --directory / --exclude ./image --exclude ./root.sh --exclude ./etc/hosts --exclude ./etc/hostname --exclude ./etc/resolv.conf \
    --exclude './run/*' --exclude './tmp/*' . |
    tar --extract --directory /image
# The folders for volumes, which take over their owner.
for folder in ${VOLUMES:-agentapi}; do
    mkdir "/image/var/lib/$folder"
    chown 10001:10001 "/image/var/lib/$folder"
done
# Also in a file, since caches of builds compare what is copied without its times.
echo "${SOURCE_DATE_EPOCH}" >/image/etc/source-date-epoch
find /image -newermt "@${SOURCE_DATE_EPOCH}" -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +
