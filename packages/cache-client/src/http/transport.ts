import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import { withoutTrailingSlashes } from '@waybill/contracts';
import { CacheClientError } from '../errors.js';
import type { RemoteAuth } from '../remotes/settings.js';
import { readSecret, readTlsFiles } from './tls-files.js';

/** A request to one server. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** Below the server's base, with a leading slash. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: AsyncIterable<Uint8Array> | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Its answer; the body must be read or destroyed. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingMessage;
}

/** Kept connections to one server. */
export interface HttpTransport {
  /** @throws CacheClientError CACHE_REMOTE_UNREACHABLE, CACHE_CONFIG_INVALID; the signal's reason */
  request(request: HttpRequest): Promise<HttpAnswer>;
  close(): void;
}

/** How a server is reached. */
export interface TransportOptions {
  readonly url: URL;
  readonly auth: RemoteAuth;
  readonly client: string;
  readonly concurrency: number;
  /** Longest silence. Milliseconds, default 120 000. */
  readonly idleMs?: number | undefined;
}

/** Opens kept connections; certificates are read once, the token with each request. @throws CacheClientError CACHE_CONFIG_INVALID */
export async function openTransport(options: TransportOptions): Promise<HttpTransport> {
  const { url, auth, client, concurrency, idleMs = 120_000 } = options;
  const isSecure = url.protocol === 'https:';
  if (auth.accessToken !== undefined && !isSecure && !isLoopback(url.hostname)) {
    throw new CacheClientError('CACHE_CONFIG_INVALID', `a token would go to ${url.origin} in clear text`, {
      hint: 'use https, or leave out access-token',
    });
  }
  const pool = { keepAlive: true, maxSockets: concurrency, scheduling: 'lifo' as const };
  const agent = isSecure
    ? new https.Agent({ ...pool, ...(await readTlsFiles(auth)), minVersion: 'TLSv1.2' })
    : new http.Agent(pool);
  const base = withoutTrailingSlashes(url.pathname);
  return {
    async request({ method, path, headers, body, signal }) {
      signal?.throwIfAborted();
      const token = (await readSecret(auth.accessToken))?.trim();
      const sent = (isSecure ? https : http).request({
        agent,
        method,
        hostname: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port || (isSecure ? 443 : 80),
        path: base + path,
        headers: { 'user-agent': client, ...(token && { authorization: `Bearer ${token}` }), ...headers },
        signal,
      });
      sent.setTimeout(idleMs, () => sent.destroy(new Error(`no answer for ${idleMs / 1000} s`)));
      return await answerOf(sent, body, url, signal);
    },
    close: () => agent.destroy(),
  };
}

async function answerOf(
  sent: http.ClientRequest,
  body: HttpRequest['body'],
  url: URL,
  signal: AbortSignal | undefined,
): Promise<HttpAnswer> {
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve);
    // Stays for good: a connection may also break after the answer, and then the body says so.
    sent.on('error', reject);
    sent.once('close', () => reject(new Error('the connection was closed')));
  });
  answer.catch(() => undefined);
  try {
    const writing = writeBody(sent, body);
    const received = await Promise.race([answer, writing.then(() => answer)]);
    // An answer before the end of the body is a refusal: what is left of the body is not wanted.
    return { status: received.statusCode ?? 0, headers: received.headers, body: received };
  } catch (error) {
    sent.destroy();
    signal?.throwIfAborted();
    if (error instanceof CacheClientError) throw error;
    throw unreachable(url, error);
  }
}

async function writeBody(sent: http.ClientRequest, body: HttpRequest['body']): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    sent.end(body);
    return;
  }
  const source = Readable.from(body, { objectMode: false, highWaterMark: 1024 * 1024 });
  await new Promise<void>((resolve, reject) => {
    source.once('error', reject);
    sent.once('finish', resolve);
    // However it ends, what is being sent is closed: a file would stay open.
    sent.once('close', () => {
      source.destroy();
      resolve();
    });
    sent.once('response', () => source.destroy());
    source.pipe(sent);
  });
}

/** Says in one line why nothing came. */
export function unreachable(url: URL, error: unknown): CacheClientError {
  const { code, message } = error as NodeJS.ErrnoException;
  const what = `${code ?? ''} ${message ?? ''}`.trim();
  const hint = /CERT|SELF_SIGNED|VERIFY|ALTNAME/.test(code ?? '')
    ? 'name the certificate to trust as auth.server-cert'
    : 'check address, network and whether the server runs';
  return new CacheClientError('CACHE_REMOTE_UNREACHABLE', `${url.host}: ${what}`, { hint, cause: error });
}

function isLoopback(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'));
}
