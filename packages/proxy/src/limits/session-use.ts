import type { ActiveSession, SessionQuotas } from '@waybill/contracts';
import { outOfBytes, outOfDownloads } from './limit-stops.js';
import { TokenBucket } from './token-bucket.js';

/** What all processes have recorded of a session. */
export interface RecordedUse {
  readonly downloads: number;
  /** Of the bodies, each transfer counted. */
  readonly bytes: number;
}

/** Reads it; fails closed with the store. */
export type ReadRecordedUse = (sessionId: string) => Promise<RecordedUse>;

/** How old the other processes' share of the totals may be. */
const refreshMs = 5_000;

/**
 * What a session with quotas has used. Rates and totals of this process are exact; what other processes (or an earlier one)
 * used comes from the records, at most some seconds late.
 */
export class SessionUse {
  readonly quotas: SessionQuotas;
  readonly requests: TokenBucket | undefined;
  readonly #bandwidth: TokenBucket | undefined;
  readonly #read: (() => Promise<RecordedUse>) | undefined;
  #bytes = 0;
  #downloads = 0;
  #pendingDownloads = 0;
  #refreshedMs = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | undefined;

  constructor({ id }: ActiveSession, quotas: SessionQuotas, read: ReadRecordedUse | undefined) {
    this.quotas = quotas;
    const { requestsPerSecond, bytesPerSecond, totalBytes, downloads } = quotas;
    this.requests = requestsPerSecond > 0 ? new TokenBucket(requestsPerSecond) : undefined;
    this.#bandwidth = bytesPerSecond > 0 ? new TokenBucket(bytesPerSecond) : undefined;
    this.#read = read && (totalBytes > 0 || downloads > 0) ? () => read(id) : undefined;
  }

  /** Learns what the records say, unless that is known well enough. */
  async refresh(): Promise<void> {
    if (!this.#read || performance.now() - this.#refreshedMs < refreshMs) return;
    this.#refreshing ??= this.#readRecorded(this.#read).finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  /** @throws Stop when a total is used up */
  check(): void {
    const { totalBytes, downloads } = this.quotas;
    if (totalBytes > 0 && this.#bytes >= totalBytes) throw outOfBytes(totalBytes);
    if (downloads > 0 && this.#downloads >= downloads) throw outOfDownloads(downloads);
  }

  /**
   * An artifact is about to come in. The result must be called at its end: it counts when it came in.
   * @throws Stop when it would be one too many, or is announced with more bytes than are left
   */
  begin(announced: number | undefined): (cameIn: boolean) => void {
    const { totalBytes, downloads } = this.quotas;
    if (downloads > 0 && this.#downloads + this.#pendingDownloads >= downloads) throw outOfDownloads(downloads);
    if (totalBytes > 0 && this.#bytes + (announced ?? 0) > totalBytes) throw outOfBytes(totalBytes);
    this.#pendingDownloads += 1;
    return (cameIn) => {
      this.#pendingDownloads -= 1;
      if (cameIn) this.#downloads += 1;
    };
  }

  /**
   * Books bytes from an upstream.
   * @returns milliseconds to wait before more is read
   * @throws Stop when they are too many
   */
  received(bytes: number): number {
    const { totalBytes } = this.quotas;
    this.#bytes += bytes;
    if (totalBytes > 0 && this.#bytes > totalBytes) throw outOfBytes(totalBytes);
    return this.#bandwidth?.use(bytes) ?? 0;
  }

  /** Counts bytes that came out of the blob store: the records, which other processes count by, have them too. */
  reused(bytes: number): void {
    this.#bytes += bytes;
  }

  async #readRecorded(read: () => Promise<RecordedUse>): Promise<void> {
    const { bytes, downloads } = await read();
    this.#bytes = Math.max(this.#bytes, bytes);
    this.#downloads = Math.max(this.#downloads, downloads);
    this.#refreshedMs = performance.now();
  }
}
