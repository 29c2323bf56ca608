import type { PartOf } from './part-of.js';
import { type Plugin, shellWords } from './plugin.js';
import { relocate } from './virtual-environment.js';

/**
 * `uv sync` of the project and its dependencies, as `uv.lock` has them, into a virtual environment in the install directory.
 * Its Python is the one of the build environment: uv downloads none.
 */
export const uv: Plugin<PartOf<'uv'>> = {
  name: 'uv',
  keys: ['uv-extras', 'uv-groups'],
  environment: () => ({ UV_PYTHON_DOWNLOADS: 'never', UV_LINK_MODE: 'copy', UV_NO_PROGRESS: '1' }),
  commands({ part }) {
    const options = shellWords([
      ...part['uv-extras'].map((name) => `--extra=${name}`),
      ...part['uv-groups'].map((name) => `--group=${name}`),
    ]);
    return [
      'export UV_PROJECT_ENVIRONMENT="$CRAFT_PART_INSTALL"',
      'uv venv --relocatable --allow-existing "$CRAFT_PART_INSTALL"',
      'if [ -f uv.lock ]; then frozen=--frozen; else frozen=; fi',
      `uv sync $frozen --no-dev --no-editable --reinstall${options}`,
      ...relocate,
    ];
  },
};
