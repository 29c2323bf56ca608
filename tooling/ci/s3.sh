#!/usr/bin/env bash
# A throw-away S3-compatible server (versitygw, Apache-2.0) on a free loopback port, with an empty bucket for tests.
#   eval "$(tooling/ci/s3.sh start)"      sets WAYBILL_TEST_S3_ENDPOINT, …_BUCKET, …_ACCESS_KEY, …_SECRET_KEY and …_DIR
#   tooling/ci/s3.sh stop "$WAYBILL_TEST_S3_DIR"
#   tooling/ci/s3.sh build                only makes the program; `start` does it as well when it is missing
# The program is built once with Go from the module proxy, checked against its checksum database, and kept below .waybill.
set -euo pipefail

module=github.com/versity/versitygw
version=v1.8.0
# The oldest Go that builds it; where the machine's is older, one is fetched as a module.
toolchain=1.25.0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
kept="$here/.waybill/tools/s3"
program="$kept/versitygw-$version"

die() {
  echo "s3: $*" >&2
  exit 1
}

# The machine's Go when it is new enough, else one out of the module proxy: Debian's is older.
find_go() {
  local go found
  go=$(command -v go || find /usr/lib/go*/bin /usr/local/go/bin -name go 2>/dev/null | sort -V | tail -n 1)
  [ -n "$go" ] || die 'no Go found; install the golang-go package'
  found=$("$go" env GOVERSION | sed -E 's/^go//; s/[^0-9.].*$//')
  if [ "$(printf '%s\n%s\n' "$toolchain" "$found" | sort -V | head -n 1)" = "$toolchain" ]; then
    echo "$go"
    return
  fi
  local dir="$kept/go-$toolchain" source
  if [ ! -x "$dir/bin/go" ]; then
    source=$(cd / && GOTOOLCHAIN=local GOFLAGS=-modcacherw "$go" mod download -json \
      "golang.org/toolchain@v0.0.1-go$toolchain.linux-$("$go" env GOARCH)" | sed -nE 's/^\s*"Dir": "(.*)",?$/\1/p')
    [ -n "$source" ] || die "Go $found is too old, and Go $toolchain could not be fetched"
    rm -rf "$dir.new"
    cp -r "$source" "$dir.new"
    chmod -R u+w "$dir.new"
    chmod +x "$dir.new"/bin/* "$dir.new"/pkg/tool/*/*
    mv -T "$dir.new" "$dir"
  fi
  echo "$dir/bin/go"
}

build() {
  [ -x "$program" ] && return
  mkdir -p "$kept"
  exec 9>"$kept/lock"
  flock 9
  [ -x "$program" ] && return
  local go
  go=$(find_go)
  echo "s3: building versitygw $version" >&2
  local bin
  bin=$(mktemp -d "$kept/build.XXXXXX")
  CGO_ENABLED=0 GOTOOLCHAIN=local GOBIN="$bin" GOFLAGS=-modcacherw "$go" install -trimpath -ldflags '-s -w' \
    "$module/cmd/versitygw@$version" >"$kept/build.log" 2>&1 || die "cannot build it: $(tail -n 5 "$kept/build.log")"
  mv "$bin/versitygw" "$program"
  rm -rf "$bin"
}

free_port() {
  node -e "const s=require('node:net').createServer().listen(0,'127.0.0.1',()=>{console.log(s.address().port);s.close()})"
}

random() {
  node -e "console.log(require('node:crypto').randomBytes(16).toString('hex'))"
}

answers() {
  node -e "fetch('http://127.0.0.1:$1/health').then((r)=>process.exit(r.ok?0:1),()=>process.exit(1))"
}

start() {
  build
  local dir port access secret
  dir=$(mktemp -d "${TMPDIR:-/tmp}/waybill-s3.XXXXXX")
  mkdir "$dir/data" "$dir/metadata" "$dir/data/waybill-test"
  access=$(random)
  secret=$(random)
  # Somebody else may take the port between asking for it and using it.
  for _ in 1 2 3; do
    port=$(free_port)
    ROOT_ACCESS_KEY=$access ROOT_SECRET_KEY=$secret setsid "$program" --port "127.0.0.1:$port" --keep-alive --quiet --health /health \
      posix --sidecar "$dir/metadata" "$dir/data" >"$dir/server.log" 2>&1 9>&- &
    echo $! >"$dir/pid"
    for _ in $(seq 100); do
      if answers "$port"; then
        printf 'export WAYBILL_TEST_S3_ENDPOINT=%s\n' "http://127.0.0.1:$port"
        printf 'export WAYBILL_TEST_S3_BUCKET=%s\n' waybill-test
        printf 'export WAYBILL_TEST_S3_ACCESS_KEY=%s\n' "$access"
        printf 'export WAYBILL_TEST_S3_SECRET_KEY=%s\n' "$secret"
        printf 'export WAYBILL_TEST_S3_DIR=%s\n' "$dir"
        return
      fi
      kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
      sleep 0.1
    done
    kill "$(cat "$dir/pid")" 2>/dev/null || true
  done
  die "the server did not start: $(tail -n 5 "$dir/server.log")"
}

stop() {
  local dir=$1 pid
  [ -f "$dir/pid" ] || die "'$dir' is no directory that 'start' made"
  pid=$(cat "$dir/pid")
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null || true
  rm -rf "$dir"
}

case ${1:-} in
build) build ;;
start) start ;;
stop) stop "${2:?usage: s3.sh stop DIR}" ;;
*) die 'usage: s3.sh build | start | stop DIR' ;;
esac
