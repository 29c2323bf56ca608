import { createHash, hash } from 'node:crypto';
import type { BlobStore, BlobWriter, ByteRange, Logger } from '@waybill/contracts';
import { type BlobStoreError, corruptError, notFoundError } from '../errors.js';
import { spanOf } from '../span.js';
import { blobKey } from './keys.js';
import { S3Failure, s3Error, toFailure } from './s3-failure.js';
import type { ObjectStream, S3Objects } from './s3-objects.js';

/** What reading from S3 needs. */
export interface RemoteReadsOptions {
  readonly objects: S3Objects;
  /** Takes a copy of what was read whole. */
  readonly local: Pick<BlobStore, 'create'>;
  readonly giveUpAfterMs: number;
  readonly place: string;
  readonly logger: Logger;
  readonly onDamage: (name: string) => void;
  /** A copy was taken. */
  readonly onCopy: () => void;
}

/** Bodies up to this size are read whole, once for all who ask at the same time. */
const smallBytes = 4 * 1024 * 1024;
/** Other bytes than the name says may have come about on the way: so often they are asked for. */
const attempts = 3;

/** Reads blobs out of S3, verified, and keeps copies. */
export class RemoteReads {
  readonly #options: RemoteReadsOptions;
  readonly #underway = new Map<string, Promise<Buffer | undefined>>();

  constructor(options: RemoteReadsOptions) {
    this.#options = options;
  }

  /** A whole blob, its last bytes held back until its hash is right; or a range, checked only when it came with the whole. */
  async *chunks(name: string, range: ByteRange | undefined): AsyncGenerator<Buffer> {
    try {
      const small = await this.#small(name);
      if (small) {
        const { start, end } = spanOf(range, small.length);
        yield small.subarray(start, end);
      } else if (range) yield* this.#range(name, range);
      else yield* this.#whole(name);
    } catch (error) {
      throw this.#translate(name, error);
    }
  }

  /** Copies a blob to the local store, with sha512. @returns whether there is one with this digest */
  async copy(name: string, isRight: (digests: { readonly sha512?: string }) => boolean = () => true): Promise<boolean> {
    const writer = this.#options.local.create({ sha512: true });
    try {
      for await (const chunk of this.#pieces(name, 0, undefined)) await writer.write(chunk);
    } catch (error) {
      await writer.abort();
      const failure = this.#translate(name, error);
      if (failure.code === 'BLOB_NOT_FOUND') return false;
      throw failure;
    }
    const { digests } = await writer.commit();
    this.#options.onCopy();
    if (digests.sha256 !== name) throw this.#damage(name, digests.sha256);
    return isRight(digests);
  }

  /** undefined when it is not small. */
  #small(name: string): Promise<Buffer | undefined> {
    const known = this.#underway.get(name);
    if (known) return known;
    const reading = this.#readSmall(name).finally(() => this.#underway.delete(name));
    this.#underway.set(name, reading);
    return reading;
  }

  async #readSmall(name: string): Promise<Buffer | undefined> {
    let found = '';
    for (let attempt = 0; attempt < attempts; attempt++) {
      const first = await this.#get(name, 0, undefined);
      if (first.size > smallBytes) {
        first.body.destroy();
        return undefined;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of this.#pieces(name, 0, undefined, first)) chunks.push(chunk);
      const body = Buffer.concat(chunks);
      found = hash('sha256', body);
      if (found !== name) continue;
      await this.#keep([body]);
      return body;
    }
    throw this.#damage(name, found);
  }

  async *#whole(name: string): AsyncGenerator<Buffer> {
    const digest = createHash('sha256');
    const first = await this.#get(name, 0, undefined);
    // The copy knows what the original knows.
    const sha512 = first.metadata.sha512 !== undefined;
    let copy: BlobWriter | undefined = this.#options.local.create({ sizeHint: first.size, sha512 });
    let held: Buffer | undefined;
    try {
      for await (const chunk of this.#pieces(name, 0, undefined, first)) {
        digest.update(chunk);
        copy = await this.#write(copy, chunk);
        if (held) yield held;
        held = chunk;
      }
      const found = digest.digest('hex');
      if (found !== name) throw this.#damage(name, found);
      await copy?.commit();
      copy = undefined;
      this.#options.onCopy();
      if (held) yield held;
    } finally {
      await copy?.abort();
    }
  }

  async *#range(name: string, range: ByteRange): AsyncGenerator<Buffer> {
    const found = await this.#options.objects.head(blobKey(name));
    if (!found) throw notFoundError(name);
    const { start, end } = spanOf(range, found.size);
    yield* this.#pieces(name, start, end - 1);
  }

  /** A copy is worth having, not worth failing for: the disk may be full. */
  async #write(copy: BlobWriter | undefined, chunk: Buffer): Promise<BlobWriter | undefined> {
    try {
      await copy?.write(chunk);
      return copy;
    } catch (error) {
      this.#options.logger.warn({ error: String(error) }, 'cannot keep a copy of a blob from S3');
      await copy?.abort();
      return undefined;
    }
  }

  async #keep(chunks: readonly Buffer[]): Promise<void> {
    let copy: BlobWriter | undefined = this.#options.local.create();
    for (const chunk of chunks) copy = await this.#write(copy, chunk);
    try {
      await copy?.commit();
      this.#options.onCopy();
    } catch (error) {
      this.#options.logger.warn({ error: String(error) }, 'cannot keep a copy of a blob from S3');
    }
  }

  /** Bytes in order; a transfer that breaks is taken up where it broke, as long as there is progress. */
  async *#pieces(name: string, start: number, end: number | undefined, first?: ObjectStream): AsyncGenerator<Buffer> {
    let at = start;
    let stream = first;
    let progressAt = performance.now();
    for (;;) {
      stream ??= await this.#get(name, at, end);
      const stop = end === undefined ? stream.size : end + 1;
      try {
        for await (const chunk of stream.body as AsyncIterable<Buffer>) {
          if (at + chunk.length > stop)
            throw new S3Failure('more bytes than announced', { status: 0, code: 'IncompleteBody' });
          at += chunk.length;
          yield chunk;
          progressAt = performance.now();
        }
        if (at === stop) return;
        throw new S3Failure(`the transfer ended after ${at} of ${stop} bytes`, { status: 0, code: 'IncompleteBody' });
      } catch (error) {
        const failure = toFailure(error);
        if (!failure.isPassing || performance.now() - progressAt > this.#options.giveUpAfterMs) throw failure;
      } finally {
        stream.body.destroy();
      }
      stream = undefined;
    }
  }

  async #get(name: string, start: number, end: number | undefined): Promise<ObjectStream> {
    const found = await this.#options.objects.get(blobKey(name), { start, end });
    if (!found) throw notFoundError(name);
    return found;
  }

  #damage(name: string, found: string): BlobStoreError {
    const { onDamage, logger, place } = this.#options;
    onDamage(name);
    logger.error({ blob: name, place }, 'blob damaged in S3');
    return corruptError(name, `its bytes in ${place} hash to ${found}`);
  }

  #translate(name: string, error: unknown): BlobStoreError {
    return s3Error(error, `read blob ${name} in`, this.#options.place);
  }
}
