import { join } from 'node:path';
import type { PartOf } from './part-of.js';
import { type Plugin, shellWord, shellWords } from './plugin.js';

/** Configures, builds and installs outside of the source. What other parts staged is found. */
export const cmake: Plugin<PartOf<'cmake'>> = {
  name: 'cmake',
  keys: ['cmake-generator', 'cmake-parameters'],
  environment: () => ({}),
  commands({ part, run }) {
    const build = shellWord(join(run, 'cmake'));
    const generator = shellWord(part['cmake-generator']);
    return [
      `rm -rf ${build}`,
      'export CMAKE_PREFIX_PATH="$CRAFT_STAGE:$CMAKE_PREFIX_PATH"',
      `cmake -S . -B ${build} -G ${generator}${shellWords(part['cmake-parameters'])}`,
      `cmake --build ${build} --parallel "$CRAFT_PARALLEL_BUILD_COUNT"`,
      `DESTDIR="$CRAFT_PART_INSTALL" cmake --install ${build}`,
    ];
  },
};
