import type { BlobStore, BlobWriter, Clock, ExchangeRecord, SessionStore } from '@waybill/contracts';
import { forwardTo } from '../blobs/forward-to.js';

/** Bodies looked at or removed in one go, so that downloads wait for milliseconds at most. */
const batchSize = 64;

/** What the reaper watches and removes from. */
export interface BodyReaperOptions {
  readonly blobs: BlobStore;
  readonly store: Pick<SessionStore, 'record' | 'referenced'>;
  readonly clock: Clock;
  /** How long a stored body may wait for its record; longer than any inspection takes. Milliseconds. */
  readonly graceMs: number;
  /** Whether other processes use the same stores: what they are about to record is known by its last use only. */
  readonly isShared: boolean;
  /** Whether bodies that nobody refers to stay until garbage collection needs the room: they may be used again. */
  readonly keepsUnneeded: boolean;
}

/**
 * Removes bodies that no kept session refers to. Between the moment a download stores its body and the moment its record is
 * durable nothing refers to the body yet, so the proxy is given {@link blobs} and {@link record} of this object: they tell
 * which bodies are on their way. Removing excludes storing: the same bytes may arrive again while they are being removed.
 */
export interface BodyReaper {
  readonly blobs: BlobStore;
  record(records: readonly ExchangeRecord[]): Promise<void>;
  /** Nobody needs these bodies as far as the caller knows: removes those that really nobody refers to, unless they are to stay. */
  discard(sha256s: readonly string[]): Promise<void>;
  /** Removes those of some bodies that nobody refers to. @returns their names */
  remove(sha256s: readonly string[]): Promise<ReadonlySet<string>>;
  /** What was used later than this may be about to be recorded, and `remove` leaves it alone. */
  settledBefore(): Date;
  /** Goes through all bodies: what a crash left behind goes. Not for a store that other processes write to. */
  sweep(): Promise<number>;
}

export function createBodyReaper(options: BodyReaperOptions): BodyReaper {
  const { blobs, store, clock, graceMs, isShared, keepsUnneeded } = options;
  /** Bodies stored and not yet recorded: how many records are awaited, and until when the body is left alone at most. */
  const expected = new Map<string, { records: number; until: number }>();
  const gate = createGate();

  /**
   * Without other processes the gate and what is expected decide. With them, time does: whoever used a body before
   * {@link settledBefore} has recorded it by now, which the store is asked only afterwards; who used it later is noticed by
   * `delete`, which compares the last use at that very moment.
   */
  async function removeBatch(batch: readonly string[]): Promise<ReadonlySet<string>> {
    return gate.exclusive(async () => {
      const now = clock.now().getTime();
      for (const [sha256, { until }] of expected) if (until < now) expected.delete(sha256);
      const how = isShared ? { unusedSince: settledBefore() } : {};
      // Looked at first: a body whose record becomes durable while the store is asked is expected no more, nor in its answer.
      const idle = batch.filter((sha256) => !expected.has(sha256));
      const referenced = await store.referenced(idle);
      const unwanted = idle.filter((sha256) => !referenced.has(sha256));
      const gone = await Promise.all(unwanted.map((sha256) => blobs.delete(sha256, how)));
      return new Set(unwanted.filter((_, i) => gone[i]));
    });
  }

  function settledBefore(): Date {
    const now = clock.now().getTime();
    return new Date(isShared ? now - graceMs : now + 1);
  }

  async function discardBatch(batch: readonly string[]): Promise<number> {
    return (await removeBatch(batch)).size;
  }

  async function discard(sha256s: readonly string[]): Promise<number> {
    let removed = 0;
    for (let at = 0; at < sha256s.length; at += batchSize)
      removed += await discardBatch(sha256s.slice(at, at + batchSize));
    if (removed > 0) await blobs.compact();
    return removed;
  }

  function arrived(sha256: string): void {
    const entry = expected.get(sha256);
    if (!entry) return;
    entry.records--;
    if (entry.records <= 0) expected.delete(sha256);
  }

  function expect(sha256: string): void {
    const records = (expected.get(sha256)?.records ?? 0) + 1;
    expected.set(sha256, { records, until: clock.now().getTime() + graceMs });
  }

  function watched(writer: BlobWriter): BlobWriter {
    return {
      write: (chunk) => writer.write(chunk),
      get size() {
        return writer.size;
      },
      commit: () =>
        gate.shared(async () => {
          const info = await writer.commit();
          expect(info.digests.sha256);
          return info;
        }),
      abort: () => writer.abort(),
    };
  }

  return {
    blobs: {
      ...forwardTo(blobs),
      create: (options) => watched(blobs.create(options)),
      // Who asks for a body by its name is about to reuse it.
      resolve: (digest) =>
        gate.shared(async () => {
          const sha256 = await blobs.resolve(digest);
          if (sha256 !== undefined && digest.algorithm === 'sha256') expect(sha256);
          return sha256;
        }),
    },
    async record(records) {
      await store.record(records);
      for (const sha256 of bodiesIn(records)) arrived(sha256);
    },
    remove: removeBatch,
    settledBefore,
    async discard(sha256s) {
      if (!keepsUnneeded) await discard(sha256s);
    },
    async sweep() {
      let removed = 0;
      let batch: string[] = [];
      for await (const sha256 of blobs.list()) {
        batch.push(sha256);
        if (batch.length < batchSize) continue;
        removed += await discardBatch(batch);
        batch = [];
      }
      removed += await discardBatch(batch);
      if (removed > 0) await blobs.compact();
      return removed;
    },
  };
}

function* bodiesIn(records: readonly ExchangeRecord[]): Generator<string> {
  for (const record of records) {
    if (record.kind === 'download') yield record.metadata.sha256;
    else if (record.sha256) yield record.sha256;
  }
}

/** Many may be inside as `shared`; `exclusive` waits for them and keeps new ones out meanwhile. */
function createGate() {
  let inside = 0;
  let closed: Promise<void> | undefined;
  let whenEmpty: (() => void) | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  async function closedWhile<Value>(task: () => Promise<Value>): Promise<Value> {
    const { promise, resolve } = Promise.withResolvers<void>();
    closed = promise;
    try {
      if (inside > 0) await new Promise<void>((empty) => (whenEmpty = empty));
      return await task();
    } finally {
      closed = undefined;
      resolve();
    }
  }

  return {
    async shared<Value>(task: () => Promise<Value>): Promise<Value> {
      while (closed) await closed;
      inside++;
      try {
        return await task();
      } finally {
        inside--;
        if (inside === 0) {
          whenEmpty?.();
          whenEmpty = undefined;
        }
      }
    },
    exclusive<Value>(task: () => Promise<Value>): Promise<Value> {
      const result = queue.then(() => closedWhile(task));
      queue = result.catch(() => {});
      return result;
    },
  };
}
