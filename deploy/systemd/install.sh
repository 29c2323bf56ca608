#!/bin/sh
# Installs fetch-service, fetchctl and the unit out of a checkout that is set up (npm run setup). Starts nothing.
#   deploy/systemd/install.sh [DESTDIR]
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
checkout=$(dirname "$(dirname "$here")")
dest=${1:-}
lib=$dest/usr/lib/waybill

cd "$checkout"
# shellcheck disable=SC1091
. tooling/env.sh
[ -f apps/fetch-service/dist/main.js ] || { echo "not built yet: npm run setup in $checkout" >&2; exit 1; }

made=$(mktemp -d "$checkout/.waybill/install.XXXXXX")
trap 'rm -rf "$made"' EXIT
pnpm --filter @waybill/fetch-service deploy --prod --legacy --silent "$made/fetch-service"

# Copied, because pnpm links files: the next build in the checkout must not change what is installed.
rm -rf "$lib/fetch-service.new"
mkdir -p "$lib/bin"
cp -r "$made/fetch-service" "$lib/fetch-service.new"
rm -rf "$lib/fetch-service.old"
[ ! -d "$lib/fetch-service" ] || mv "$lib/fetch-service" "$lib/fetch-service.old"
mv "$lib/fetch-service.new" "$lib/fetch-service"
rm -rf "$lib/fetch-service.old"

# The Node that it was built and tested with. By rename: the old one may be running.
cp -L "$(command -v node)" "$lib/bin/node.new"
mv "$lib/bin/node.new" "$lib/bin/node"
for program in fetch-service:main.js fetchctl:fetchctl.js; do
  printf '#!/bin/sh\nexec /usr/lib/waybill/bin/node --max-semi-space-size=8 /usr/lib/waybill/fetch-service/dist/%s "$@"\n' \
    "${program#*:}" >"$lib/bin/${program%:*}"
done
chmod 0755 "$lib/bin"/*
chmod -R go=rX "$lib/fetch-service"

place() { install -D -m "$3" "$1" "$dest$2"; }
place "$here/waybill-fetch-service.service" /usr/lib/systemd/system/waybill-fetch-service.service 0644
place "$here/waybill.sysusers.conf" /usr/lib/sysusers.d/waybill.conf 0644
place "$here/waybill.tmpfiles.conf" /usr/lib/tmpfiles.d/waybill.conf 0644
place docs/fetch-service.md /usr/share/doc/waybill/fetch-service.md 0644
[ -e "$dest/etc/waybill/fetch-service.env" ] || place "$here/fetch-service.env.example" /etc/waybill/fetch-service.env 0600
