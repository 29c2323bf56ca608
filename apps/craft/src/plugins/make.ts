import type { PartConfig } from '@waybill/contracts';
import { type Plugin, shellWord } from './plugin.js';

type MakePart = Extract<PartConfig, { plugin: 'make' }>;

/** `make`, then `make install` with DESTDIR set to the part's install directory. */
export const make: Plugin<MakePart> = {
  name: 'make',
  keys: ['make-parameters'],
  environment: () => ({}),
  commands({ part }) {
    const parameters = part['make-parameters'].map((word) => ` ${shellWord(word)}`).join('');
    return [
      `make -j"$CRAFT_PARALLEL_BUILD_COUNT"${parameters}`,
      `make -j"$CRAFT_PARALLEL_BUILD_COUNT" install DESTDIR="$CRAFT_PART_INSTALL"${parameters}`,
    ];
  },
};
