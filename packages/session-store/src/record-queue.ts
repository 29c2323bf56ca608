import type { ExchangeRecord } from '@waybill/contracts';
import type { SessionStoreError } from './errors.js';

/** What the queue needs of the store. */
export interface RecordSink {
  /** Transactions that may run at the same time. */
  readonly writers: number;
  /** All or nothing, durably. */
  insert(records: readonly ExchangeRecord[]): Promise<void>;
  translate(error: unknown): SessionStoreError;
}

interface Call {
  readonly records: readonly ExchangeRecord[];
  resolve(): void;
  reject(error: unknown): void;
}

/** Records of one shared transaction; a single call may bring more. */
const sharedRecords = 1000;

/**
 * Lets calls that arrive while others are being written share the next transaction: one fsync and one round trip for all.
 * When a shared one fails, each call is tried alone, so that nobody fails for another's records.
 */
export class RecordQueue {
  readonly #sink: RecordSink;
  #waiting: Call[] = [];
  #running = 0;

  constructor(sink: RecordSink) {
    this.#sink = sink;
  }

  /** @throws SessionStoreError what {@link RecordSink.translate} makes of the failure */
  add(records: readonly ExchangeRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, resolve, reject });
      if (this.#running < this.#sink.writers) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#running++;
    // Calls of the same turn belong together.
    await undefined;
    for (let calls = this.#take(); calls.length > 0; calls = this.#take()) await this.#write(calls);
    this.#running--;
  }

  #take(): Call[] {
    let count = 0;
    let records = 0;
    for (const call of this.#waiting) {
      records += call.records.length;
      if (count > 0 && records > sharedRecords) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(calls: readonly Call[]): Promise<void> {
    try {
      await this.#sink.insert(
        calls.length === 1 && calls[0] ? calls[0].records : calls.flatMap((call) => call.records),
      );
      for (const call of calls) call.resolve();
    } catch (error) {
      const failure = this.#sink.translate(error);
      // Whether a broken connection had committed is unknown: written again, a download would be there twice.
      if (calls.length === 1 || failure.code === 'STORE_UNAVAILABLE') for (const call of calls) call.reject(failure);
      else for (const call of calls) await this.#write([call]);
    }
  }
}
