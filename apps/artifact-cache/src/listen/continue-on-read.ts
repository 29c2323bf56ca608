import type { ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import type { RawRequest } from '../http/arrivals.js';

/**
 * Asks a client that waits with its body (`Expect: 100-continue`) to send it as soon as somebody reads: what is refused before
 * that (no right, no room, too large) is refused without a gigabyte on the way. Where the body was not wanted, the connection
 * is closed after the answer, since nobody knows whether it still comes. RFC 9110 §10.1.1
 */
export function continueOnRead(request: RawRequest, response: ServerResponse | Http2ServerResponse): void {
  const isKept = 'shouldKeepAlive' in response && response.shouldKeepAlive;
  if (isKept) response.shouldKeepAlive = false;
  request._read = (size) => {
    // What is on the prototype is used from now on.
    delete (request as { _read?: unknown })._read;
    if (!response.headersSent) {
      if (isKept) response.shouldKeepAlive = true;
      response.writeContinue();
    }
    request._read(size);
  };
}
