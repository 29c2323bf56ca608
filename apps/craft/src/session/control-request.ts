import { Agent, request } from 'node:http';
import { redactText } from '@waybill/contracts';
import { CraftError } from '../errors.js';

/** A control API and who may use it. */
export interface ControlEndpoint {
  readonly url: string;
  /** `user:password` */
  readonly auth: string;
}

/** One call. */
export interface ControlCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly timeoutMs: number;
  /** Most bytes of an answer that are read. */
  readonly maxBytes?: number;
}

/** An answer, whatever its status. */
export interface ControlAnswer {
  readonly status: number;
  readonly text: string;
}

/** A call that got no answer. `sent` tells whether the service may have seen it. */
export class NoAnswerError extends Error {
  readonly sent: boolean;
  constructor(message: string, sent: boolean, cause: unknown) {
    super(message, { cause });
    this.name = 'NoAnswerError';
    this.sent = sent;
  }
}

const notSent = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND']);

/**
 * Makes one call. Control calls are local: an agent of our own keeps them away from the proxies that the host's variables
 * name.
 * @throws NoAnswerError, CraftError CRAFT_CONTROL_FAILED when the answer is too large
 */
export async function controlRequest(endpoint: ControlEndpoint, call: ControlCall): Promise<ControlAnswer> {
  const url = new URL(call.path, endpoint.url);
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  const maxBytes = call.maxBytes ?? 1 << 20;
  const agent = new Agent({ keepAlive: false });
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) =>
      reject(
        error instanceof CraftError
          ? error
          : new NoAnswerError(redactText(error.message || String(error.code)), !notSent.has(error.code ?? ''), error),
      );
    const outgoing = request(url, {
      method: call.method,
      agent,
      headers: {
        authorization: `Basic ${Buffer.from(endpoint.auth).toString('base64')}`,
        accept: 'application/json',
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
      signal: AbortSignal.timeout(call.timeoutMs),
    });
    outgoing.on('error', fail);
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes)
          outgoing.destroy(
            new CraftError(
              'CRAFT_CONTROL_FAILED',
              `the answer to ${call.method} ${call.path} has more than ${maxBytes} bytes`,
            ),
          );
        else chunks.push(chunk);
      });
      response.on('error', fail);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    outgoing.end(body);
  });
}
