import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import aws4 from 'aws4';
import type { S3Access } from './s3-client.js';
import { S3Failure } from './s3-failure.js';

/** A request for one object. */
export interface ObjectRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  /** Letters, digits and `-._/` only: the same signed and sent. */
  readonly key: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Of the body; the server checks what it gets against it. */
  readonly sha256?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Of no bytes. */
export const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const errorBytes = 64 * 1024;

/**
 * Requests for single objects, signed (AWS Signature Version 4) and sent over kept connections. The SDK takes five times the
 * processor time for each, and of these there is one for every blob.
 */
export class SignedRequests {
  readonly #access: S3Access;
  readonly #timeoutMs: number;
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(access: S3Access, options: { readonly timeoutMs: number; readonly connections: number }) {
    this.#access = access;
    this.#timeoutMs = options.timeoutMs;
    const agentOptions = { keepAlive: true, maxSockets: options.connections, scheduling: 'lifo' } as const;
    this.#agent = access.bucketUrl.protocol === 'https:' ? new HttpsAgent(agentOptions) : new HttpAgent(agentOptions);
  }

  /** @throws S3Failure unless the answer is a 2xx; the caller consumes or destroys it */
  async send(request: ObjectRequest): Promise<IncomingMessage> {
    const answer = await this.#exchange(request, await this.#access.credentials());
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    throw await failureOf(answer, status);
  }

  /** As {@link send}, with the answer's body read to its end. */
  async complete(request: ObjectRequest): Promise<IncomingMessage> {
    const answer = await this.send(request);
    for await (const _ of answer);
    return answer;
  }

  close(): void {
    this.#agent.destroy();
  }

  #exchange(request: ObjectRequest, credentials: aws4.Credentials): Promise<IncomingMessage> {
    const { bucketUrl, region } = this.#access;
    const { method, key, headers, body, sha256 = emptySha256, signal } = request;
    const options = aws4.sign(
      {
        service: 's3',
        region,
        method,
        host: bucketUrl.host,
        path: `${bucketUrl.pathname.replace(/\/$/, '')}/${key}`,
        headers: {
          ...headers,
          'X-Amz-Content-Sha256': sha256,
          ...(body && { 'Content-Length': body.length, 'Content-Type': 'application/octet-stream' }),
        },
      },
      credentials,
    );
    const send = bucketUrl.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const outgoing = send(
        {
          agent: this.#agent,
          hostname: bucketUrl.hostname.replace(/^\[|\]$/g, ''),
          port: bucketUrl.port,
          method,
          path: options.path,
          headers: options.headers,
          signal,
        },
        resolve,
      );
      outgoing.setTimeout(this.#timeoutMs, () => {
        outgoing.destroy(new S3Failure(`no answer for ${this.#timeoutMs} ms`, { status: 0, code: 'ETIMEDOUT' }));
      });
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  }
}

/** What an answer that is an error says. Its body is XML: a code and a message. */
async function failureOf(answer: IncomingMessage, status: number): Promise<S3Failure> {
  let text = '';
  try {
    for await (const chunk of answer) if (text.length < errorBytes) text += String(chunk);
  } catch {
    // The status says enough.
  }
  const field = (name: string) => new RegExp(`<${name}>([^<]{1,300})</${name}>`).exec(text)?.[1] ?? '';
  return new S3Failure(field('Message') || answer.statusMessage || 'no reason given', { status, code: field('Code') });
}
