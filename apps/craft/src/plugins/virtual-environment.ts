/**
 * What a virtual environment says of the place where it was made: programs of it are started by the `python3` on PATH, and
 * neither caches nor the command that made it stay.
 */
export const relocate: readonly string[] = [
  'find "$CRAFT_PART_INSTALL" -name __pycache__ -type d -prune -exec rm -rf {} +',
  'find "$CRAFT_PART_INSTALL/bin" -maxdepth 1 -type f -exec sed -i "1s|^#!$CRAFT_PART_INSTALL/bin/python.*|#!/usr/bin/env python3|" {} +',
  'if [ -f "$CRAFT_PART_INSTALL/pyvenv.cfg" ]; then sed -i "/^command *=/d" "$CRAFT_PART_INSTALL/pyvenv.cfg"; fi',
];
