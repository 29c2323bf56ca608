import type { Plugin } from './plugin.js';

/**
 * Installs the source as it is. The `.git` directory of a git source stays behind: its index and packs differ from clone to
 * clone, and nobody wants it in an artifact.
 */
export const dump: Plugin = {
  name: 'dump',
  keys: [],
  environment: () => ({}),
  commands: ({ isGitSource }) => [
    'cp --archive --no-dereference . "$CRAFT_PART_INSTALL"',
    ...(isGitSource ? ['rm -rf "$CRAFT_PART_INSTALL/.git"'] : []),
  ],
};
