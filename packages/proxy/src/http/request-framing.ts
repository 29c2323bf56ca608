import type { IncomingMessage } from 'node:http';

/** Why a request's body has no length that all parties agree on. */
export interface FramingFault {
  readonly status: 400 | 413 | 501;
  readonly reason: string;
}

/**
 * Finds framing that Node's parser lets through and that we could pass on only in another meaning: what one server takes for a
 * body, the next would take for a request of its own (RFC 9112 §6.1, §11.2).
 */
export function framingFault({
  headers,
  httpVersion,
}: Pick<IncomingMessage, 'headers' | 'httpVersion'>): FramingFault | undefined {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined) {
    if (httpVersion !== '1.1') return { status: 400, reason: `Transfer-Encoding in a request of HTTP/${httpVersion}` };
    // Another coding below the chunks would be lost, and the body then be something else.
    if (coding.trim().toLowerCase() !== 'chunked') {
      return {
        status: 501,
        reason: `Transfer-Encoding ${JSON.stringify(coding.slice(0, 100))}: only chunked is carried`,
      };
    }
  }
  // Beyond that a number loses its last digits, and the upstream would be told another length.
  if (Number(headers['content-length'] ?? 0) > Number.MAX_SAFE_INTEGER) {
    return { status: 413, reason: 'Content-Length is larger than any body' };
  }
  return undefined;
}
