import type { PartOf } from './part-of.js';
import { type Plugin, shellWord, shellWords } from './plugin.js';

/** `cargo install` of packages, with the versions of `Cargo.lock` where there is one. cargo's own records stay behind. */
export const rust: Plugin<PartOf<'rust'>> = {
  name: 'rust',
  keys: ['rust-path', 'rust-features', 'rust-no-default-features', 'rust-cargo-parameters'],
  environment: () => ({ CARGO_TERM_PROGRESS_WHEN: 'never' }),
  commands({ part }) {
    const features = part['rust-features'];
    const options = shellWords([
      ...(features.length > 0 ? [`--features=${features.join(',')}`] : []),
      ...(part['rust-no-default-features'] ? ['--no-default-features'] : []),
      ...part['rust-cargo-parameters'],
    ]);
    return [
      'if [ -f Cargo.lock ]; then locked=--locked; else locked=; fi',
      ...part['rust-path'].map(
        (path) =>
          `cargo install $locked --force --no-track -j "$CRAFT_PARALLEL_BUILD_COUNT" --path ${shellWord(path)} --root "$CRAFT_PART_INSTALL"${options}`,
      ),
    ];
  },
};
