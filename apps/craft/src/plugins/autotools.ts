import type { PartOf } from './part-of.js';
import { type Plugin, shellWords } from './plugin.js';

/** Makes `configure` where there is none, then `configure`, `make` and `make install` with DESTDIR. */
export const autotools: Plugin<PartOf<'autotools'>> = {
  name: 'autotools',
  keys: ['autotools-bootstrap-parameters', 'autotools-configure-parameters'],
  environment: () => ({}),
  commands({ part }) {
    const bootstrap = shellWords(part['autotools-bootstrap-parameters']);
    return [
      `if [ ! -f configure ] && [ -f autogen.sh ]; then NOCONFIGURE=1 sh ./autogen.sh${bootstrap}; fi`,
      `if [ ! -f configure ] && [ -f bootstrap ]; then NOCONFIGURE=1 sh ./bootstrap${bootstrap}; fi`,
      'if [ ! -f configure ]; then autoreconf --install; fi',
      `./configure${shellWords(part['autotools-configure-parameters'])}`,
      'make -j"$CRAFT_PARALLEL_BUILD_COUNT"',
      'make install DESTDIR="$CRAFT_PART_INSTALL"',
    ];
  },
};
