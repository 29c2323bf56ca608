#!/usr/bin/env bash
# Installs what the test lanes need beside Node, where apt-get and root are at hand. Asks the mirror only for what is missing.
set -euo pipefail

wanted=(
  apt-utils bubblewrap bzip2 ca-certificates curl dirmngr docker-registry dpkg-dev git git-lfs gnupg gnutls-bin haproxy iproute2 libnginx-mod-stream
  make nginx openssh-server openssl postgresql procps python3 skopeo squashfs-tools systemd unzip wget xz-utils zip
)
# What Python packages are built and installed with in tests.
wanted+=(python3-pip python3-setuptools python3-wheel)
# A client of artifact-cache that is in Debian; the others come from tooling/ci/cache-clients.sh.
wanted+=(buildstream)
# What craft's plugins call.
wanted+=(autoconf automake cmake g++ gcc meson ninja-build)
# Clients of artifact-cache.
wanted+=(ccache python3-venv)

if ! command -v apt-get >/dev/null; then
  echo 'packages: no apt-get here; the lanes use the programs that are installed' >&2
  exit 0
fi

missing=()
for package in "${wanted[@]}"; do
  dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
# Compiles the load driver of bench/. Any Go will do, not only Debian's.
command -v go >/dev/null || missing+=(golang-go)
# Resolves and packs what the Maven tests build. Any JDK from 11 on.
command -v javac >/dev/null || missing+=(default-jdk-headless)
command -v mvn >/dev/null || missing+=(maven)
if [ "${#missing[@]}" -eq 0 ]; then
  echo 'packages: all there'
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "packages: missing and not root: install them with: apt-get install ${missing[*]}" >&2
  exit 1
fi

echo "packages: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y install --no-install-recommends "${missing[@]}"
