import type { Derivation } from '@waybill/contracts';
import type { DerivedFiles } from './derived-files.js';

export interface DerivedValuesOptions {
  /** Weight of all values kept in memory, as their derivations weigh them. */
  readonly maxBytes: number;
  /** Where values outlive the process; absent: nowhere. */
  readonly files?: DerivedFiles | undefined;
}

/**
 * What follows from bytes alone, by their digest: for all sessions of the process, and where files are given beyond it. Holds
 * facts, never opinions: whether a session may trust the bytes is asked each time.
 */
export interface DerivedValues {
  /**
   * The value, kept or made now; whoever asks at the same time waits for the one that makes it. A failure is not kept.
   * @param sha256 of the bytes, which the caller has checked
   */
  get<Value>(derivation: Derivation<Value>, sha256: string, make: () => Promise<Value>): Promise<Value>;
  /** The value if it is kept, in memory or as a file. */
  find<Value>(derivation: Derivation<Value>, sha256: string): Promise<Value | undefined>;
  /** Keeps a value that was made already. */
  put<Value>(derivation: Derivation<Value>, sha256: string, value: Value): void;
  stats(): { readonly entries: number; readonly bytes: number; readonly hits: number; readonly made: number };
  /** Resolves when all files are written. */
  close(): Promise<void>;
}

const failed = Symbol('failed');

export function createDerivedValues({ maxBytes, files }: DerivedValuesOptions): DerivedValues {
  /** Least recently used first. */
  const kept = new Map<string, { readonly value: unknown; readonly weight: number }>();
  const running = new Map<string, Promise<unknown>>();
  const writing = new Set<Promise<void>>();
  let bytes = 0;
  let hits = 0;
  let made = 0;

  function atHand(key: string): { readonly value: unknown } | undefined {
    const entry = kept.get(key);
    if (!entry) return undefined;
    hits += 1;
    kept.delete(key);
    kept.set(key, entry);
    return entry;
  }

  function keep<Value>(key: string, derivation: Derivation<Value>, value: Value): void {
    const weight = derivation.weigh(value) + 2 * key.length;
    if (kept.has(key) || weight > maxBytes) return;
    kept.set(key, { value, weight });
    bytes += weight;
    for (const [oldest, entry] of kept) {
      if (bytes <= maxBytes) return;
      kept.delete(oldest);
      bytes -= entry.weight;
    }
  }

  async function fromFile<Value>(key: string, derivation: Derivation<Value>): Promise<{ value: Value } | undefined> {
    const packed = derivation.unpack && (await files?.read(key));
    if (!derivation.unpack || !packed) return undefined;
    try {
      return { value: derivation.unpack(packed) };
    } catch {
      // Whole, but not what this version makes of it: it is made again.
      return undefined;
    }
  }

  function toFile<Value>(key: string, derivation: Derivation<Value>, value: Value): void {
    const packed = files && derivation.pack?.(value);
    if (!packed) return;
    const work = files.write(key, packed).finally(() => writing.delete(work));
    writing.add(work);
  }

  async function produce<Value>(key: string, derivation: Derivation<Value>, make: () => Promise<Value>) {
    const stored = await fromFile(key, derivation);
    const value = stored ? stored.value : await make();
    keep(key, derivation, value);
    if (!stored) {
      made += 1;
      toFile(key, derivation, value);
    }
    return value;
  }

  return {
    async get<Value>(derivation: Derivation<Value>, sha256: string, make: () => Promise<Value>) {
      const key = keyOf(derivation, sha256);
      for (let others = running.get(key); ; others = running.get(key)) {
        const known = atHand(key);
        if (known) return known.value as Value;
        if (!others) break;
        // Somebody else's failure may be their time-out: then everybody tries on their own.
        const value = await others.catch(() => failed);
        if (value !== failed) return value as Value;
      }
      const own = produce(key, derivation, make);
      running.set(key, own);
      try {
        return await own;
      } finally {
        if (running.get(key) === own) running.delete(key);
      }
    },
    async find<Value>(derivation: Derivation<Value>, sha256: string) {
      const key = keyOf(derivation, sha256);
      const known = atHand(key);
      if (known) return known.value as Value;
      const stored = await fromFile(key, derivation);
      if (stored) keep(key, derivation, stored.value);
      return stored?.value;
    },
    put(derivation, sha256, value) {
      const key = keyOf(derivation, sha256);
      if (kept.has(key)) return;
      keep(key, derivation, value);
      toFile(key, derivation, value);
    },
    stats: () => ({ entries: kept.size, bytes, hits, made }),
    async close() {
      await Promise.allSettled(writing);
    },
  };
}

function keyOf({ id }: { readonly id: string }, sha256: string): string {
  return `${id} ${sha256}`;
}
