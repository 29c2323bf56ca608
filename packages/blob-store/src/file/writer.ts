import type { BlobInfo, BlobWriter, BlobWriterOptions, BodyDigests } from '@waybill/contracts';
import { BlobStoreError } from '../errors.js';
import type { LargeBody, LargeBodyResult } from './large-body.js';
import { hashBody } from './record.js';

/** What a writer needs of its store. */
export interface WriterHost {
  readonly smallBytes: number;
  newLargeBody(options: { readonly sha512: boolean }): LargeBody;
  storeSmall(digests: BodyDigests, body: Uint8Array): Promise<void>;
  storeLarge(result: LargeBodyResult, size: number): Promise<void>;
  /** Throws when the store is closed. */
  check(): void;
  /** The writer is over. */
  ended(writer: FileBlobWriter): void;
}

/** Collects a small body in memory and moves on to a file when it grows past the limit. */
export class FileBlobWriter implements BlobWriter {
  readonly #host: WriterHost;
  readonly #sha512: boolean;
  #chunks: Uint8Array[] = [];
  #large: LargeBody | undefined;
  #size = 0;
  #over: 'committed' | 'aborted' | undefined;
  #closedBy: BlobStoreError | undefined;
  #committing: Promise<BlobInfo> | undefined;

  constructor(host: WriterHost, { sizeHint, sha512 = false }: BlobWriterOptions) {
    this.#host = host;
    this.#sha512 = sha512;
    if (sizeHint !== undefined && sizeHint > host.smallBytes) this.#large = host.newLargeBody({ sha512 });
  }

  get size(): number {
    return this.#size;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#check();
    this.#size += chunk.length;
    if (this.#large) return await this.#large.push(chunk);
    if (chunk.length > 0) this.#chunks.push(chunk);
    if (this.#size > this.#host.smallBytes) await this.#spill();
  }

  async commit(): Promise<BlobInfo> {
    this.#check();
    this.#over = 'committed';
    this.#committing = this.#commit();
    return await this.#committing;
  }

  async abort(): Promise<void> {
    if (this.#over) return;
    this.#over = 'aborted';
    this.#chunks = [];
    this.#host.ended(this);
    await this.#large?.abort();
  }

  /** The store closes underneath: a running commit ends in order, anything else is dropped. */
  async abandon(reason: BlobStoreError): Promise<void> {
    this.#closedBy = reason;
    await this.#committing?.catch(() => undefined);
    await this.abort();
  }

  async #commit(): Promise<BlobInfo> {
    try {
      const digests = this.#large ? await this.#commitLarge(this.#large) : await this.#commitSmall();
      return { digests, size: this.#size };
    } finally {
      this.#chunks = [];
      this.#host.ended(this);
    }
  }

  async #spill(): Promise<void> {
    const large = this.#host.newLargeBody({ sha512: this.#sha512 });
    this.#large = large;
    await Promise.all(this.#chunks.splice(0).map((chunk) => large.push(chunk)));
  }

  async #commitSmall(): Promise<BodyDigests> {
    const body = this.#chunks.length === 1 ? (this.#chunks[0] as Uint8Array) : Buffer.concat(this.#chunks, this.#size);
    const digests = hashBody(body);
    await this.#host.storeSmall(digests, body);
    return digests;
  }

  async #commitLarge(large: LargeBody): Promise<BodyDigests> {
    try {
      const result = await large.finish();
      await this.#host.storeLarge(result, this.#size);
      return result.digests;
    } catch (error) {
      await large.abort();
      throw error;
    }
  }

  #check(): void {
    this.#host.check();
    if (this.#closedBy) throw this.#closedBy;
    if (this.#over) {
      throw new BlobStoreError('BLOB_CLOSED', `this body is already ${this.#over}`);
    }
  }
}
