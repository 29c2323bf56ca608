import type { BlobInfo, BlobWriter } from '@waybill/contracts';
import type { BlobStoreError } from '../errors.js';

/** What a writer needs of its store. */
export interface S3WriterHost {
  readonly local: BlobWriter;
  /** Bodies up to this size are handed on as they are. */
  readonly smallBytes: number;
  onCommit(info: BlobInfo, body: Buffer | undefined): Promise<void>;
  onEnd(): void;
}

/** Writes to the local store and keeps a small body for its upload. */
export class S3BlobWriter implements BlobWriter {
  readonly #host: S3WriterHost;
  #chunks: Uint8Array[] | undefined = [];
  #closedBy: BlobStoreError | undefined;
  #committing: Promise<BlobInfo> | undefined;

  constructor(host: S3WriterHost) {
    this.#host = host;
  }

  get size(): number {
    return this.#host.local.size;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#closedBy) throw this.#closedBy;
    await this.#host.local.write(chunk);
    if (this.size > this.#host.smallBytes) this.#chunks = undefined;
    this.#chunks?.push(chunk);
  }

  async commit(): Promise<BlobInfo> {
    if (this.#closedBy) throw this.#closedBy;
    this.#committing = this.#commit();
    return await this.#committing;
  }

  async abort(): Promise<void> {
    this.#host.onEnd();
    if (!this.#committing) this.#chunks = undefined;
    await this.#host.local.abort();
  }

  /** The store closes underneath: a running commit ends in order, anything else is dropped. */
  async abandon(reason: BlobStoreError): Promise<void> {
    this.#closedBy = reason;
    await this.#committing?.catch(() => undefined);
    await this.abort();
  }

  async #commit(): Promise<BlobInfo> {
    try {
      const info = await this.#host.local.commit();
      await this.#host.onCommit(info, this.#chunks && Buffer.concat(this.#chunks));
      return info;
    } finally {
      this.#host.onEnd();
    }
  }
}
