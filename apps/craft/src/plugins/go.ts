import type { PartOf } from './part-of.js';
import { type Plugin, shellWord, shellWords } from './plugin.js';

/**
 * `go install` of all programs of a module, with the modules of its `go.sum`. Neither paths nor the state of a checkout get into
 * them. No other Go is downloaded than the one that is there.
 */
export const go: Plugin<PartOf<'go'>> = {
  name: 'go',
  keys: ['go-buildtags', 'go-generate'],
  environment: () => ({ GOTOOLCHAIN: 'local' }),
  commands({ part }) {
    const tags = part['go-buildtags'].length > 0 ? shellWords([`-tags=${part['go-buildtags'].join(',')}`]) : '';
    return [
      'mkdir -p "$CRAFT_PART_INSTALL/bin"',
      ...part['go-generate'].map((target) => `go generate ${shellWord(target)}`),
      `GOBIN="$CRAFT_PART_INSTALL/bin" go install -p "$CRAFT_PARALLEL_BUILD_COUNT" -trimpath -buildvcs=false${tags} ./...`,
    ];
  },
};
