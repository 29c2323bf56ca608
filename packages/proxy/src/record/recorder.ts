import type { BlobStore, ExchangeRecord, Logger, SessionStore } from '@waybill/contracts';
import { isWaybillError } from '@waybill/contracts';
import { ProxyError } from '../errors.js';

/** Makes records durable; exchanges that finish together share one transaction. */
export interface Recorder {
  /**
   * Resolves when these records, and every body committed before the call, are durable. All or nothing.
   * @throws ProxyError PROXY_RECORD_FAILED, PROXY_RECORD_QUEUE_FULL
   */
  record(records: readonly ExchangeRecord[]): Promise<void>;
  readonly waiting: number;
  /** Resolves when nothing waits any more. */
  drained(): Promise<void>;
}

interface Entry {
  readonly records: readonly ExchangeRecord[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Errors that concern the store as a whole: trying again record by record would only take longer. */
const wholesale = new Set(['STORE_UNAVAILABLE', 'STORE_FULL', 'STORE_CLOSED', 'STORE_SCHEMA_TOO_NEW']);

/**
 * Group commit: while one transaction is being written the next one fills. Under load the batches grow by themselves, and a
 * lone exchange never waits for company.
 */
export function createRecorder(options: {
  readonly blobs: Pick<BlobStore, 'flush'>;
  readonly store: Pick<SessionStore, 'record'>;
  readonly maxBatch: number;
  readonly maxWaiting: number;
  readonly logger: Logger;
}): Recorder {
  const { blobs, store, maxBatch, maxWaiting, logger } = options;
  let queue: Entry[] = [];
  let waiting = 0;
  let writing: Promise<void> | undefined;

  /** Bodies of one batch are made durable while the records of the batch before are: neither waits for the other's disk. */
  async function writeAll(): Promise<void> {
    // One turn of the event loop lets exchanges that end in the same tick share even the first transaction.
    await new Promise((resolve) => setImmediate(resolve));
    let committing = Promise.resolve();
    do {
      while (queue.length > 0) {
        const batch = nextBatch();
        const fault = await flush();
        await committing;
        committing = fault === undefined ? commit(batch) : fail(batch, fault);
      }
      await committing;
    } while (queue.length > 0);
    writing = undefined;
  }

  function nextBatch(): Entry[] {
    let size = 0;
    let count = 0;
    for (const entry of queue) {
      if (count > 0 && size + entry.records.length > maxBatch) break;
      size += entry.records.length;
      count += 1;
    }
    const batch = queue.slice(0, count);
    queue = queue.slice(count);
    return batch;
  }

  /** What keeps bodies from being durable, if anything does. */
  async function flush(): Promise<Error | undefined> {
    try {
      await blobs.flush();
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async function commit(batch: readonly Entry[]): Promise<void> {
    try {
      await store.record(batch.length === 1 ? (batch[0] as Entry).records : batch.flatMap((entry) => entry.records));
      for (const entry of batch) settle(entry);
    } catch (error) {
      const sessions = bySession(batch);
      // A session whose records are refused (its resources were deleted meanwhile) must not take the others with it.
      if (sessions.length > 1 && !isWholesale(error)) for (const entries of sessions) await commit(entries);
      // Of a session that is over, that its transfers were broken off is recorded, and their answers are not.
      else if (batch.length > 1 && isSessionOver(error)) for (const entry of batch) await commit([entry]);
      else await fail(batch, error);
    }
  }

  async function fail(batch: readonly Entry[], error: unknown): Promise<void> {
    if (!isSessionOver(error))
      logger.error({ records: batch.length, code: codeOf(error) }, 'downloads cannot be recorded and are not released');
    for (const entry of batch) settle(entry, failure(error));
  }

  function settle(entry: Entry, error?: Error): void {
    waiting -= entry.records.length;
    if (error) entry.reject(error);
    else entry.resolve();
  }

  return {
    record(records) {
      if (waiting + records.length > maxWaiting) {
        return Promise.reject(
          new ProxyError('PROXY_RECORD_QUEUE_FULL', `${waiting} records wait to be written already`, {
            hint: 'the session store cannot keep up: check its disk or connection',
          }),
        );
      }
      waiting += records.length;
      return new Promise((resolve, reject) => {
        queue.push({ records, resolve, reject });
        writing ??= writeAll();
      });
    },
    get waiting() {
      return waiting;
    },
    async drained() {
      while (writing) await writing;
    },
  };
}

/** Whether the session was revoked, expired or ended by the time its answer was to be recorded, perhaps by another process. */
export function isSessionOver(error: unknown): boolean {
  return (
    codeOf(error) === 'STORE_SESSION_OVER' ||
    (error instanceof ProxyError && codeOf(error.cause) === 'STORE_SESSION_OVER')
  );
}

function bySession(batch: readonly Entry[]): Entry[][] {
  const groups = new Map<string, Entry[]>();
  for (const entry of batch) {
    const id = entry.records[0]?.sessionId ?? '';
    const group = groups.get(id);
    if (group) group.push(entry);
    else groups.set(id, [entry]);
  }
  return [...groups.values()];
}

function isWholesale(error: unknown): boolean {
  const code = codeOf(error);
  return code === undefined || wholesale.has(code) || code.startsWith('BLOB_');
}

function codeOf(error: unknown): string | undefined {
  return isWaybillError(error) ? error.code : undefined;
}

function failure(cause: unknown): ProxyError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new ProxyError('PROXY_RECORD_FAILED', `the record cannot be written: ${message}`, {
    cause,
    hint:
      isWaybillError(cause) && cause.hint
        ? cause.hint
        : 'check space and permissions of the spool and the session store',
  });
}
