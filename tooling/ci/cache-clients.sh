#!/usr/bin/env bash
# Installs the pinned client programs that the end-to-end lane drives artifact-cache with, below .waybill/cache-clients:
#   npm/node_modules/.bin     turbo, nx, moon, bazel
#   python/bin                bst (BuildStream 2 with buildbox-casd)
# from the registries that npm and pip of this machine are configured for. Safe to run again: does nothing when all is there.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
wanted="$here/tooling/ci/cache-clients"
kept="$here/.waybill/cache-clients"
status=0

# same STAMP FILE…: whether what is installed was made from these files.
same() {
  local stamp=$1
  shift
  [ -f "$stamp" ] && [ "$(cat "$@" | sha256sum)" = "$(cat "$stamp")" ]
}

install_npm() {
  same "$kept/npm/stamp" "$wanted/package.json" "$wanted/package-lock.json" && return
  rm -rf "$kept/npm"
  mkdir -p "$kept/npm"
  cp "$wanted/package.json" "$wanted/package-lock.json" "$kept/npm/"
  # The programs come as packages for their platforms: nothing has to run to install them. Not 'npm ci': it wants packages of
  # all platforms in the lock file, which npm itself leaves out of it. What is installed is what the lock file says all the same.
  (cd "$kept/npm" && npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error) || return 1
  cat "$wanted/package.json" "$wanted/package-lock.json" | sha256sum >"$kept/npm/stamp"
}

install_python() {
  same "$kept/python/stamp" "$wanted/requirements.txt" && return
  rm -rf "$kept/python"
  python3 -m venv "$kept/python" &&
    "$kept/python/bin/pip" --disable-pip-version-check --quiet install --no-deps -r "$wanted/requirements.txt" || return 1
  sha256sum <"$wanted/requirements.txt" >"$kept/python/stamp"
}

mkdir -p "$kept"
exec 9>"$kept/lock"
flock 9
# One that cannot be had is no reason to go without the other; tests say what they miss.
install_npm || { echo 'cache-clients: the clients from npm could not be installed' >&2; status=1; }
install_python || { echo 'cache-clients: the clients from Python could not be installed' >&2; status=1; }
[ "$status" -ne 0 ] || echo "cache-clients: all there"
exit "$status"
