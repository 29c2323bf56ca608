import type { Plugin } from './plugin.js';

/** Builds nothing: for parts that live from `override-*` scripts or `stage-packages`. */
export const nil: Plugin = {
  name: 'nil',
  keys: [],
  environment: () => ({}),
  commands: () => [],
};
