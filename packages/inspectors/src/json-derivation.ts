import type { Derivation } from '@waybill/contracts';

/**
 * A derivation of a small value that JSON can hold, kept on disk too.
 * @param id see {@link Derivation.id}
 */
export function jsonDerivation<Value>(id: string): Derivation<Value> {
  return {
    id,
    // A character of the text, two bytes for it and its share of the objects around it.
    weigh: (value) => 200 + 3 * JSON.stringify(value).length,
    pack: (value) => Buffer.from(JSON.stringify(value)),
    unpack: (bytes) => JSON.parse(Buffer.from(bytes).toString('utf8')) as Value,
  };
}
