import type { Limit } from './limit.js';
import { type Patience, withRetries } from './retries.js';
import type { S3Access } from './s3-client.js';
import { S3Failure } from './s3-failure.js';

/** Reads bytes of what is uploaded, all that were asked for. */
export type ReadPart = (start: number, length: number) => Promise<Buffer>;

/** What an upload needs. */
export interface MultipartOptions {
  readonly access: S3Access;
  readonly bucket: string;
  readonly key: string;
  readonly partBytes: number;
  readonly patience: Patience;
  /** Shared by all uploads: a part lies in memory while it is under way. */
  readonly limit: Limit;
}

/** S3 takes so many parts at most. */
const mostParts = 10_000;

/** Uploads an object in parts, several at a time; what fails for good leaves nothing behind. */
export class MultipartUpload {
  readonly #options: MultipartOptions;

  constructor(options: MultipartOptions) {
    this.#options = options;
  }

  async run(source: {
    readonly size: number;
    readonly read: ReadPart;
    readonly metadata: Readonly<Record<string, string>>;
  }): Promise<void> {
    const { access, bucket, key, patience } = this.#options;
    const { CreateMultipartUploadCommand, CompleteMultipartUploadCommand, AbortMultipartUploadCommand } = access.sdk;
    const create = new CreateMultipartUploadCommand({
      Bucket: bucket,
      Key: key,
      ContentType: 'application/octet-stream',
      Metadata: { ...source.metadata },
    });
    const { UploadId } = await withRetries(() => access.client.send(create), patience);
    if (!UploadId) throw new S3Failure('an upload without an id', { status: 0, code: 'InternalError' });
    try {
      const Parts = await this.#parts(UploadId, source);
      const complete = new CompleteMultipartUploadCommand({
        Bucket: bucket,
        Key: key,
        UploadId,
        MultipartUpload: { Parts },
      });
      await withRetries(() => access.client.send(complete), patience);
    } catch (error) {
      const abort = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId });
      await access.client.send(abort).catch(() => undefined);
      throw error;
    }
  }

  async #parts(UploadId: string, { size, read }: { readonly size: number; readonly read: ReadPart }) {
    const { access, bucket, key, partBytes, patience, limit } = this.#options;
    const bytes = Math.max(partBytes, Math.ceil(size / mostParts));
    const starts = Array.from({ length: Math.ceil(size / bytes) }, (_, at) => at * bytes);
    const failed = new AbortController();
    const parts = starts.map((start, at) =>
      limit.run(async () => {
        failed.signal.throwIfAborted();
        const Body = await read(start, Math.min(bytes, size - start));
        const part = { Bucket: bucket, Key: key, UploadId, PartNumber: at + 1 };
        const command = () => new access.sdk.UploadPartCommand({ ...part, Body });
        const { ETag } = await withRetries(() => access.client.send(command(), { abortSignal: failed.signal }), {
          ...patience,
          signal: failed.signal,
        });
        return { ETag, PartNumber: at + 1 };
      }),
    );
    try {
      return await Promise.all(parts);
    } catch (error) {
      // The others must be over before the upload is aborted, or their parts stay behind.
      failed.abort(error);
      await Promise.allSettled(parts);
      throw error;
    }
  }
}
