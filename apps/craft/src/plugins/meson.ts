import { join } from 'node:path';
import type { PartOf } from './part-of.js';
import { type Plugin, shellWord, shellWords } from './plugin.js';

/** Sets up, compiles and installs outside of the source. Subprojects are not downloaded behind its back. */
export const meson: Plugin<PartOf<'meson'>> = {
  name: 'meson',
  keys: ['meson-parameters'],
  environment: () => ({}),
  commands({ part, run }) {
    const build = shellWord(join(run, 'meson'));
    return [
      `rm -rf ${build}`,
      `meson setup --wrap-mode=nodownload${shellWords(part['meson-parameters'])} ${build} .`,
      `meson compile -C ${build} -j "$CRAFT_PARALLEL_BUILD_COUNT"`,
      `DESTDIR="$CRAFT_PART_INSTALL" meson install -C ${build} --no-rebuild`,
    ];
  },
};
