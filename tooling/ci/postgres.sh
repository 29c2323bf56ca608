#!/usr/bin/env bash
# A throw-away PostgreSQL on a free loopback port.
#   eval "$(tooling/ci/postgres.sh start)"             sets WAYBILL_TEST_POSTGRES_URL and WAYBILL_TEST_POSTGRES_DIR
#   tooling/ci/postgres.sh stop "$WAYBILL_TEST_POSTGRES_DIR"
set -euo pipefail

die() {
  echo "postgres: $*" >&2
  exit 1
}

# The server refuses to run as root, so there it runs as the user that Debian's package creates.
as_server_user() {
  if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

find_bin() {
  if command -v pg_ctl >/dev/null; then dirname "$(command -v pg_ctl)"; return; fi
  local newest
  newest=$(find /usr/lib/postgresql -maxdepth 3 -name pg_ctl 2>/dev/null | sort -V | tail -n 1)
  [ -n "$newest" ] || die 'no server found (pg_ctl); install the postgresql package'
  dirname "$newest"
}

free_port() {
  node -e "const s=require('node:net').createServer().listen(0,'127.0.0.1',()=>{console.log(s.address().port);s.close()})"
}

start() {
  local bin dir password port
  bin=$(find_bin)
  dir=$(mktemp -d "${TMPDIR:-/tmp}/waybill-postgres.XXXXXX")
  password=$(node -e "console.log(require('node:crypto').randomBytes(16).toString('hex'))")
  printf '%s\n' "$password" >"$dir/password"
  if [ "$(id -u)" -eq 0 ]; then chown -R postgres "$dir"; fi
  cd "$dir"
  as_server_user "$bin/initdb" --pgdata="$dir/data" --username=waybill --pwfile="$dir/password" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C >"$dir/initdb.log" 2>&1 || die "initdb failed: $(tail -n 5 "$dir/initdb.log")"
  # Somebody else may take the port between asking for it and using it.
  for _ in 1 2 3; do
    port=$(free_port)
    if as_server_user "$bin/pg_ctl" --pgdata="$dir/data" --log="$dir/server.log" --wait --timeout=60 \
      --options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories='' -c fsync=off -c max_connections=200" \
      start >"$dir/start.log" 2>&1; then
      printf 'export WAYBILL_TEST_POSTGRES_URL=%s\n' "postgres://waybill:$password@127.0.0.1:$port/postgres"
      printf 'export WAYBILL_TEST_POSTGRES_DIR=%s\n' "$dir"
      return
    fi
  done
  die "the server did not start: $(tail -n 5 "$dir/server.log" 2>/dev/null || cat "$dir/start.log")"
}

stop() {
  local dir=$1 bin
  [ -d "$dir/data" ] || die "'$dir' is no directory that 'start' made"
  bin=$(find_bin)
  cd "$dir"
  as_server_user "$bin/pg_ctl" --pgdata="$dir/data" --mode=immediate --wait stop >/dev/null || true
  cd /
  rm -rf "$dir"
}

case ${1:-} in
start) start ;;
stop) stop "${2:?usage: postgres.sh stop DIR}" ;;
*) die 'usage: postgres.sh start | stop DIR' ;;
esac
