import type { BlobStore, BlobWriter, Clock, ExchangeRecord, SessionStore } from '@waybill/contracts';

/** Bodies looked at or removed in one go, so that downloads wait for milliseconds at most. */
const batchSize = 64;

/** What the reaper watches and removes from. */
export interface BodyReaperOptions {
  readonly blobs: BlobStore;
  readonly store: Pick<SessionStore, 'record' | 'referenced'>;
  readonly clock: Clock;
  /** How long a stored body may wait for its record; longer than any inspection takes. Milliseconds. */
  readonly graceMs: number;
}

/**
 * Removes bodies that no kept session refers to. Between the moment a download stores its body and the moment its record is
 * durable nothing refers to the body yet, so the proxy is given {@link blobs} and {@link record} of this object: they tell
 * which bodies are on their way. Removing excludes storing: the same bytes may arrive again while they are being removed.
 */
export interface BodyReaper {
  readonly blobs: BlobStore;
  record(records: readonly ExchangeRecord[]): Promise<void>;
  /** Removes those of the bodies that nobody refers to. */
  discard(sha256s: readonly string[]): Promise<void>;
  /** Goes through all bodies: what a crash left behind goes. Not for a store that other processes write to. */
  sweep(): Promise<number>;
}

export function createBodyReaper({ blobs, store, clock, graceMs }: BodyReaperOptions): BodyReaper {
  /** Bodies stored and not yet recorded: how many records are awaited, and until when the body is left alone at most. */
  const expected = new Map<string, { records: number; until: number }>();
  const gate = createGate();

  async function discardBatch(batch: readonly string[]): Promise<number> {
    return gate.exclusive(async () => {
      const now = clock.now().getTime();
      for (const [sha256, { until }] of expected) if (until < now) expected.delete(sha256);
      const referenced = await store.referenced(batch);
      const unwanted = batch.filter((sha256) => !referenced.has(sha256) && !expected.has(sha256));
      await Promise.all(unwanted.map((sha256) => blobs.delete(sha256)));
      return unwanted.length;
    });
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

  function watched(writer: BlobWriter): BlobWriter {
    return {
      write: (chunk) => writer.write(chunk),
      get size() {
        return writer.size;
      },
      commit: () =>
        gate.shared(async () => {
          const info = await writer.commit();
          const { sha256 } = info.digests;
          const records = (expected.get(sha256)?.records ?? 0) + 1;
          expected.set(sha256, { records, until: clock.now().getTime() + graceMs });
          return info;
        }),
      abort: () => writer.abort(),
    };
  }

  return {
    blobs: {
      create: (options) => watched(blobs.create(options)),
      stat: (sha256) => blobs.stat(sha256),
      open: (sha256, range) => blobs.open(sha256, range),
      flush: () => blobs.flush(),
      delete: (sha256) => blobs.delete(sha256),
      compact: () => blobs.compact(),
      list: () => blobs.list(),
      exportTo: (sha256, path) => blobs.exportTo(sha256, path),
      close: () => blobs.close(),
    },
    async record(records) {
      await store.record(records);
      for (const sha256 of bodiesIn(records)) arrived(sha256);
    },
    async discard(sha256s) {
      await discard(sha256s);
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
