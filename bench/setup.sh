#!/bin/sh
# Installs what `pnpm bench` measures Waybill beside, on Debian and Ubuntu: nginx (the upstream), squid with OpenSSL,
# mitmproxy, Go (builds the load driver) and openssl. Needs root, for apt-get only. Safe to run again.
#
# Debian starts servers as soon as they are installed; these are for the benchmark, which starts its own, so the ones
# that this script installs stay stopped and are not started with the machine. Nothing else on the machine is changed.
set -eu

packages='nginx squid-openssl mitmproxy openssl'
command -v go >/dev/null 2>&1 || packages="$packages golang-go"

if ! command -v apt-get >/dev/null 2>&1; then
  echo "bench/setup.sh: this system has no apt-get; install these yourself: $packages" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "bench/setup.sh: apt-get needs root: sudo bench/setup.sh" >&2
  exit 1
fi

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if installed squid && ! installed squid-openssl; then
  echo 'bench/setup.sh: squid is installed without OpenSSL; squid-openssl would replace it, so squid is left out' >&2
  packages=$(echo "$packages" | sed 's/squid-openssl//')
fi

wanted=''
for package in $packages; do
  # nginx comes in flavours; any of them will do.
  if [ "$package" = nginx ] && command -v nginx >/dev/null 2>&1; then continue; fi
  installed "$package" || wanted="$wanted $package"
done
if [ -z "$wanted" ]; then
  echo 'bench/setup.sh: everything is installed'
  exit 0
fi

echo "bench/setup.sh: installing$wanted"
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
made_policy=false
cleanup() {
  if [ "$made_policy" = true ]; then rm -f "$policy"; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ ! -e "$policy" ]; then
  made_policy=true
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
apt-get update -qq
# shellcheck disable=SC2086 # a list of names
apt-get install -y -qq --no-install-recommends $wanted

for package in $wanted; do
  case $package in
  nginx) service=nginx ;;
  squid-openssl) service=squid ;;
  *) continue ;;
  esac
  if command -v systemctl >/dev/null 2>&1; then
    systemctl disable --quiet "$service" 2>/dev/null || echo "bench/setup.sh: could not keep $service from starting with the machine" >&2
  fi
done
echo 'bench/setup.sh: done; now: pnpm bench --quick'
