import type { NamespaceTruth } from '../../model/cache/history.js';

const small = 3_000_000;

/** As the configuration spells them. */
export const cacheNamespaces = { kept: {}, small: { quota: small } };

/** … and what the model has to know of them. */
export const cacheTruth: ReadonlyMap<string, NamespaceTruth> = new Map([
  ['kept', { evicts: false }],
  ['small', { evicts: true, hardLimitBytes: 1.05 * small }],
]);
