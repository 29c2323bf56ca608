import { cacheUploadResponseSchema } from '@waybill/contracts';
import { CacheClientError } from '../errors.js';
import type { BlobSource, RemoteWriter } from '../remotes/remote.js';
import { documentOf, drain } from './answers.js';
import { type RetryOptions, retrying, TransientError } from './retrying.js';
import type { HttpAnswer, HttpRequest } from './transport.js';

/** What an uploader is given. */
export interface UploaderOptions {
  /** Path of the namespace. */
  readonly place: string;
  blobPath(sha256: string): string;
  once(request: HttpRequest, wanted: readonly number[]): Promise<HttpAnswer>;
  readonly retry?: RetryOptions | undefined;
  readonly resumableBytes?: number | undefined;
}

const defaultResumableBytes = 8 * 1024 * 1024;

/** Sends small blobs whole, large ones as uploads that go on where the connection broke. */
export function createUploader(options: UploaderOptions): RemoteWriter['send'] {
  const { resumableBytes = defaultResumableBytes, retry } = options;
  return async (source, signal) => {
    const large = source.blob.size > resumableBytes;
    if (large) await sendInParts(options, source, signal);
    else await retrying(() => sendWhole(options, source, signal), { ...retry, signal });
  };
}

async function sendWhole(options: UploaderOptions, source: BlobSource, signal?: AbortSignal): Promise<void> {
  const { sha256, size } = source.blob;
  const request: HttpRequest = {
    method: 'PUT',
    path: options.blobPath(sha256),
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
    body: size === 0 ? new Uint8Array() : source.open(0),
    signal,
  };
  await drain(await options.once(request, [200, 201, 204]));
}

/** An upload that the server lost, when it was started anew for instance, is begun again once. */
async function sendInParts(options: UploaderOptions, source: BlobSource, signal?: AbortSignal): Promise<void> {
  if (await sendResumable(options, source, signal)) return;
  if (await sendResumable(options, source, signal)) return;
  throw new CacheClientError('CACHE_REMOTE_FAILED', `the server lost the upload of ${source.blob.sha256} twice`);
}

/** @returns false when the upload is gone and the blob is not there */
async function sendResumable(options: UploaderOptions, source: BlobSource, signal?: AbortSignal): Promise<boolean> {
  const { size } = source.blob;
  const start = await retrying(() => begin(options, source, signal), { ...options.retry, signal });
  const path = `${options.place}/uploads/${encodeURIComponent(start.id)}`;
  let { offset } = start;
  let isFirst = true;
  return await retrying(
    async () => {
      if (!isFirst) {
        const found = await offsetOf(options, path, source, signal);
        if (found === undefined) return false;
        offset = found;
      }
      isFirst = false;
      if (offset >= size) return true;
      const answer = await options.once(
        {
          method: 'PATCH',
          path,
          headers: {
            'content-type': 'application/offset+octet-stream',
            'content-length': String(size - offset),
            'upload-offset': String(offset),
          },
          body: source.open(offset),
          signal,
        },
        [200, 201, 204, 404, 409],
      );
      await drain(answer);
      // The try before may still be on its way into the server, or the upload is gone: HEAD tells.
      if (answer.status >= 400) throw new TransientError(lost(source));
      return true;
    },
    { ...options.retry, signal, progress: () => offset },
  );
}

async function begin(options: UploaderOptions, { blob }: BlobSource, signal?: AbortSignal) {
  const body = Buffer.from(JSON.stringify({ sha256: blob.sha256, size: blob.size }));
  const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
  const answer = await options.once(
    { method: 'POST', path: `${options.place}/uploads`, headers, body, signal },
    [200, 201],
  );
  return await documentOf(answer, cacheUploadResponseSchema);
}

/** Where to go on. An upload that ended while its answer was lost is not there any more, but all of its bytes are. */
async function offsetOf(
  options: UploaderOptions,
  path: string,
  { blob }: BlobSource,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const answer = await options.once({ method: 'HEAD', path, signal }, [200, 204, 404]);
  await drain(answer);
  if (answer.status === 404) {
    const whole = await options.once({ method: 'HEAD', path: options.blobPath(blob.sha256), signal }, [200, 404]);
    await drain(whole);
    return whole.status === 200 ? blob.size : undefined;
  }
  const offset = Number(answer.headers['upload-offset']);
  if (Number.isSafeInteger(offset) && offset >= 0 && offset <= blob.size) return offset;
  throw new CacheClientError('CACHE_REMOTE_FAILED', 'the server does not say where the upload goes on');
}

function lost({ blob }: BlobSource): CacheClientError {
  return new CacheClientError('CACHE_REMOTE_FAILED', `the upload of ${blob.sha256} cannot go on`);
}
