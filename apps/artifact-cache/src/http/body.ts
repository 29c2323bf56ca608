import { ArtifactCacheError } from '../errors.js';
import type { RawRequest } from './arrivals.js';

/**
 * The bytes of a request, as they come. Fails for a body that was cut off: Node's HTTP/2 requests end then as if they were
 * whole, and one without `content-length` would pass for a shorter one. Who stops early leaves the rest unread, and can still
 * answer.
 */
export async function* bodyOf(request: RawRequest): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
  if (isCut(request)) {
    throw new ArtifactCacheError('SERVER_REQUEST_INVALID', 'the client went away in the middle of the body');
  }
}

/** Whether a body that has ended did so because the client gave up. */
export function isCut(request: RawRequest): boolean {
  return 'stream' in request && (request.aborted || request.stream.aborted || request.stream.rstCode !== 0);
}
