# Sourced by the launchers beside it: runs one built file of the checkout with the checkout's Node.
# shellcheck shell=sh

# Options for Node; a launcher sets them after it has read this file.
launch_options=

# The launcher may be called through symbolic links from anywhere; the checkout is two directories above the real file.
launch() {
  # $1: name of the program, $2: built file relative to the checkout; the rest are the program's arguments.
  launch_name=$1
  launch_file=$launch_root/$2
  shift 2
  launch_node=$launch_root/.waybill/toolchain/bin/node
  if [ ! -x "$launch_node" ] || [ ! -f "$launch_file" ]; then
    echo "$launch_name: not built yet: run 'npm run setup' in $launch_root" >&2
    exit 1
  fi
  # shellcheck disable=SC2086 # several options are several words
  exec "$launch_node" $launch_options "$launch_file" "$@"
}
