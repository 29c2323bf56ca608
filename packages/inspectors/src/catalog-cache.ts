import type { BlobStore, Catalog, CatalogParser, CatalogRef } from '@waybill/contracts';
import { contentEncodingAttribute, removeContentEncoding } from './content-encoding.js';
import { untilAborted } from './deadline.js';
import { createDerivedValues, type DerivedValues } from './derived-values.js';
import { InspectorError } from './errors.js';

export interface CatalogCacheOptions {
  readonly blobs: Pick<BlobStore, 'open'>;
  /** Weight of all values kept, as their parsers weigh them. */
  readonly maxBytes: number;
  /** Keeps the values of parsers with a derivation. Default: one of its own, as large. */
  readonly derived?: DerivedValues | undefined;
}

/** Immutable values of indexes, parsed once per digest and shared by all sessions. */
export interface CatalogCache {
  /**
   * The value of a trusted index: kept, being parsed, or rebuilt from its blob.
   * @throws InspectorError INSPECTOR_CATALOG_INVALID
   */
  get<Value>(ref: CatalogRef, parser: CatalogParser<Value>, signal: AbortSignal): Promise<Catalog<Value>>;
  /** Keeps a value that its inspector has just parsed. */
  put<Value>(ref: CatalogRef, parser: CatalogParser<Value>, value: Value): void;
  stats(): { readonly entries: number; readonly bytes: number; readonly hits: number; readonly parses: number };
}

interface Parsing {
  readonly value: Promise<unknown>;
  readonly controller: AbortController;
  waiting: number;
}

export function createCatalogCache(options: CatalogCacheOptions): CatalogCache {
  const { blobs, maxBytes, derived = createDerivedValues({ maxBytes }) } = options;
  const kept = new Map<string, { value: unknown; weight: number }>();
  const parsing = new Map<string, Parsing>();
  let bytes = 0;
  let hits = 0;
  let parses = 0;

  function keep(key: string, value: unknown, weight: number): void {
    if (kept.has(key) || weight > maxBytes) return;
    kept.set(key, { value, weight });
    bytes += weight;
    for (const [oldest, entry] of kept) {
      if (bytes <= maxBytes) break;
      kept.delete(oldest);
      bytes -= entry.weight;
    }
  }

  function start<Value>(key: string, ref: CatalogRef, parser: CatalogParser<Value>): Parsing {
    const controller = new AbortController();
    parses += 1;
    const value = parse(ref, parser, controller.signal)
      .then((parsed) => {
        keep(key, parsed, parser.weigh(parsed));
        return parsed;
      })
      .finally(() => {
        if (parsing.get(key) === entry) parsing.delete(key);
      });
    value.catch(() => {});
    const entry: Parsing = { value, controller, waiting: 0 };
    parsing.set(key, entry);
    return entry;
  }

  async function parse<Value>(ref: CatalogRef, parser: CatalogParser<Value>, signal: AbortSignal): Promise<Value> {
    const stream = removeContentEncoding(blobs.open(ref.sha256), ref.attributes?.[contentEncodingAttribute]);
    try {
      return await parser.parse(stream, ref, signal);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new InspectorError('INSPECTOR_CATALOG_INVALID', `cannot read ${ref.kind} ${ref.sha256} again: ${text}`, {
        cause,
      });
    } finally {
      stream.destroy();
    }
  }

  return {
    async get<Value>(ref: CatalogRef, parser: CatalogParser<Value>, signal: AbortSignal) {
      signal.throwIfAborted();
      const { derivation } = parser;
      if (derivation) {
        const make = () => derived.get(derivation, digestOf(ref), () => parse(ref, parser, signal));
        return { ref, value: await untilAborted(signal, make) };
      }
      const key = keyOf(ref);
      const known = kept.get(key);
      if (known) {
        hits += 1;
        kept.delete(key);
        kept.set(key, known);
        return { ref, value: known.value as Value };
      }
      const entry = parsing.get(key) ?? start(key, ref, parser);
      entry.waiting += 1;
      try {
        return { ref, value: (await untilAborted(signal, () => entry.value)) as Value };
      } finally {
        entry.waiting -= 1;
        if (entry.waiting === 0 && parsing.get(key) === entry) {
          parsing.delete(key);
          entry.controller.abort(new InspectorError('INSPECTOR_ABORTED', 'nobody waits for this catalog any more'));
        }
      }
    },
    put(ref, parser, value) {
      if (parser.derivation) derived.put(parser.derivation, digestOf(ref), value);
      else keep(keyOf(ref), value, parser.weigh(value));
    },
    stats: () => ({ entries: kept.size, bytes, hits, parses }),
  };
}

/** What the value is made of: the bytes, or what they are once decoded. */
function digestOf({ sha256, attributes }: CatalogRef): string {
  const encoding = attributes?.[contentEncodingAttribute];
  return encoding === undefined ? sha256 : `${sha256} ${encoding}`;
}

function keyOf(ref: CatalogRef): string {
  const attributes = Object.entries(ref.attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([ref.kind, ref.sha256, attributes]);
}
