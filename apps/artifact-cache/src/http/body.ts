import type { CacheBlob, CacheNamespace, CacheUploadOptions } from '@waybill/cache-store';
import { ArtifactCacheError } from '../errors.js';
import type { RawRequest } from './arrivals.js';

/**
 * The bytes of a request, as they come. Fails for a body that was cut off: Node's HTTP/2 requests end then as if they were
 * whole, and one without `content-length` would pass for a shorter one.
 */
export async function* bodyOf(request: RawRequest): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of request) yield chunk as Buffer;
  const isCut = 'stream' in request && (request.aborted || request.stream.aborted || request.stream.rstCode !== 0);
  if (isCut) throw new ArtifactCacheError('SERVER_REQUEST_INVALID', 'the client went away in the middle of the body');
}

/** Takes a request's body into a namespace, never more of it in memory than a chunk. Nothing is left of one that fails. */
export async function storeBody(
  request: RawRequest,
  namespace: CacheNamespace,
  options: CacheUploadOptions,
): Promise<CacheBlob> {
  const upload = await namespace.upload({ ...options, size: options.size ?? announcedSize(request) });
  try {
    for await (const chunk of bodyOf(request)) await upload.write(chunk);
    return await upload.commit();
  } catch (error) {
    await upload.abort();
    throw error;
  }
}

/** `content-length`; undefined for a body whose length nobody says, or that is encoded. */
export function announcedSize(request: RawRequest): number | undefined {
  const { 'content-length': length, 'content-encoding': encoding } = request.headers;
  if (encoding !== undefined && encoding !== 'identity') return undefined;
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}
