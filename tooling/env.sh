# Sourced, not run: puts the checkout's pinned Node and pnpm first on PATH, setting them up when they are missing.
#   . tooling/env.sh                  from the checkout's root, or
#   . /path/to/checkout/tooling/env.sh  from anywhere in bash and zsh
# shellcheck shell=sh
_waybill_root=
if [ -n "${BASH_SOURCE:-}" ]; then
  # shellcheck disable=SC3028,SC3054
  _waybill_root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE}")/.." && pwd)
elif [ -n "${ZSH_VERSION:-}" ]; then
  eval '_waybill_root=${${(%):-%x}:A:h:h}'
elif [ -f tooling/setup/setup.mjs ]; then
  # Plain sh does not know where a sourced file lies.
  _waybill_root=$(pwd)
elif _waybill_root=$(git rev-parse --show-toplevel 2>/dev/null) && [ -f "$_waybill_root/tooling/setup/setup.mjs" ]; then
  :
else
  _waybill_root=
fi

if [ -z "$_waybill_root" ]; then
  echo "waybill: run this from the checkout's root: . tooling/env.sh" >&2
  unset _waybill_root
  false
elif [ -x "$_waybill_root/.waybill/toolchain/bin/pnpm" ] && [ -x "$_waybill_root/.waybill/toolchain/bin/node" ] ||
  node "$_waybill_root/tooling/setup/setup.mjs" --no-build; then
  case ":$PATH:" in
  *":$_waybill_root/.waybill/toolchain/bin:"*) ;;
  *) PATH=$_waybill_root/.waybill/toolchain/bin:$PATH ;;
  esac
  export PATH TURBO_TELEMETRY_DISABLED=1 DO_NOT_TRACK=1
  unset _waybill_root
else
  unset _waybill_root
  false
fi
