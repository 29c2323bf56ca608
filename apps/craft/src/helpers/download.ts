/**
 * Downloads one file inside a build environment, where only the session's proxy is reachable. It stands alone (no imports
 * but Node's) because it is copied into the environment. The order comes as JSON on standard input, events go as JSON lines
 * to standard output; craft itself checks the file afterwards and believes nothing that is said here.
 */
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import tls from 'node:tls';

interface Order {
  readonly url: string;
  readonly output: string;
  readonly maxBytes: number;
  /** Pauses before another attempt, in milliseconds. */
  readonly retryDelaysMs: readonly number[];
  readonly idleTimeoutMs: number;
  /** Whether a checksum fixes the bytes, so that a redirect to plain http is harmless. */
  readonly pinned: boolean;
  readonly userAgent: string;
}

class DownloadError extends Error {
  readonly status: number;
  readonly again: boolean;
  constructor(message: string, status: number, again: boolean) {
    super(message);
    this.status = status;
    this.again = again;
  }
}

const maxRedirects = 10;
const againStatuses = new Set([408, 425, 429, 500, 502, 503, 504]);

function emit(event: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function proxyFor(url: URL): URL | undefined {
  const secure = url.protocol === 'https:';
  const value = secure
    ? process.env.https_proxy || process.env.HTTPS_PROXY
    : process.env.http_proxy || process.env.HTTP_PROXY;
  const text = value || process.env.all_proxy || process.env.ALL_PROXY;
  if (!text || isExcepted(url, process.env.no_proxy || process.env.NO_PROXY || '')) return undefined;
  return new URL(text.includes('://') ? text : `http://${text}`);
}

function isExcepted(url: URL, list: string): boolean {
  return list.split(/[\s,]+/).some((entry) => {
    if (entry === '') return false;
    if (entry === '*') return true;
    const [host = '', port] = entry
      .replace(/^\*?\./, '')
      .toLowerCase()
      .split(':');
    const own = url.port || (url.protocol === 'https:' ? '443' : '80');
    const name = url.hostname.toLowerCase();
    return (name === host || name.endsWith(`.${host}`)) && (port === undefined || port === own);
  });
}

function proxyHeaders(proxy: URL): Record<string, string> {
  if (proxy.username === '') return {};
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(user).toString('base64')}` };
}

async function tunnel(url: URL, proxy: URL, order: Order): Promise<Socket> {
  const target = `${url.hostname}:${url.port || 443}`;
  const request = http.request({
    method: 'CONNECT',
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port || 80,
    path: target,
    headers: { host: target, ...proxyHeaders(proxy) },
    agent: false,
    timeout: order.idleTimeoutMs,
  });
  return new Promise((resolve, reject) => {
    request.on('connect', (response, socket, head) => {
      if (response.statusCode === 200) return resolve(socket as Socket);
      socket.unshift(head);
      collectText(socket, 4096).then((text) => reject(failed(response.statusCode ?? 0, text, url)), reject);
      return undefined;
    });
    request.on('response', (response) => {
      collectText(response, 4096).then((text) => reject(failed(response.statusCode ?? 0, text, url)), reject);
    });
    request.on('timeout', () => request.destroy(new Error('the proxy did not answer in time')));
    request.on('error', reject);
    request.end();
  });
}

async function collectText(stream: AsyncIterable<Uint8Array>, limit: number): Promise<string> {
  let text = '';
  try {
    for await (const chunk of stream) {
      text += Buffer.from(chunk).toString('utf8');
      if (text.length >= limit) break;
    }
  } catch {
    // What came before the connection broke is the best there is.
  }
  return text.slice(0, limit).trim();
}

function failed(status: number, text: string, url: URL): DownloadError {
  const shown = text === '' || /^\s*</.test(text) ? '' : `: ${text}`;
  return new DownloadError(`${url.href} answered with status ${status}${shown}`, status, againStatuses.has(status));
}

async function openResponse(url: URL, order: Order): Promise<http.IncomingMessage> {
  const proxy = proxyFor(url);
  const headers: Record<string, string> = {
    host: url.host,
    accept: '*/*',
    'accept-encoding': 'identity',
    'user-agent': order.userAgent,
  };
  if (url.username !== '') {
    const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.authorization = `Basic ${Buffer.from(user).toString('base64')}`;
  }
  const common = { method: 'GET', headers, agent: false as const, timeout: order.idleTimeoutMs };
  let request: http.ClientRequest;
  if (url.protocol === 'https:') {
    const socket = proxy ? await tunnel(url, proxy, order) : undefined;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const servername = /^[\d.]+$|:/.test(host) ? '' : host;
    request = https.request(url, {
      ...common,
      // Node asks `createConnection` only without an agent, and `false` is a new one: it would connect around the proxy.
      ...(socket ? { agent: undefined, createConnection: () => tls.connect({ socket, servername, host }) } : {}),
    });
  } else if (proxy) {
    const target = new URL(url);
    target.username = '';
    target.password = '';
    target.hash = '';
    request = http.request({
      ...common,
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: proxy.port || 80,
      path: target.href,
      headers: { ...headers, ...proxyHeaders(proxy) },
    });
  } else {
    request = http.request(url, common);
  }
  return new Promise((resolve, reject) => {
    request.on('response', resolve);
    request.on('timeout', () => request.destroy(new Error(`nothing came for ${order.idleTimeoutMs / 1000} s`)));
    request.on('error', reject);
    request.end();
  });
}

async function follow(order: Order): Promise<http.IncomingMessage> {
  let url = new URL(order.url);
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const response = await openResponse(url, order);
    const status = response.statusCode ?? 0;
    const location = response.headers.location;
    if (status === 200) return response;
    if ([301, 302, 303, 307, 308].includes(status) && location !== undefined) {
      response.resume();
      const next = new URL(location, url);
      if (!/^https?:$/.test(next.protocol)) {
        throw new DownloadError(`${url.href} redirects to ${next.protocol}, which is not followed`, status, false);
      }
      if (url.protocol === 'https:' && next.protocol === 'http:' && !order.pinned) {
        throw new DownloadError(
          `${url.href} redirects to plain http; add a source-checksum to allow that`,
          status,
          false,
        );
      }
      if (next.origin !== url.origin) {
        next.username = '';
        next.password = '';
      } else {
        next.username ||= url.username;
        next.password ||= url.password;
      }
      url = next;
      continue;
    }
    const text = await collectText(response, 4096);
    response.destroy();
    throw failed(status, text, url);
  }
  throw new DownloadError(`${order.url} redirects more than ${maxRedirects} times`, 0, false);
}

async function attempt(order: Order): Promise<void> {
  const response = await follow(order);
  const length = response.headers['content-length'];
  const total = length === undefined ? undefined : Number(length);
  const tooLarge = () => new DownloadError(`${order.url} has more than ${order.maxBytes} bytes`, 200, false);
  if (total !== undefined && total > order.maxBytes) {
    response.destroy();
    throw tooLarge();
  }
  let received = 0;
  let told = 0;
  await pipeline(
    response,
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        received += chunk.length;
        if (received > order.maxBytes) throw tooLarge();
        if (Date.now() - told > 200) {
          told = Date.now();
          emit({ event: 'progress', received, total });
        }
        yield chunk;
      }
    },
    createWriteStream(order.output),
  );
  if (total !== undefined && received !== total) {
    throw new DownloadError(`${order.url} ended after ${received} of ${total} bytes`, 200, true);
  }
  emit({ event: 'done', received });
}

async function main(): Promise<void> {
  let input = '';
  for await (const chunk of process.stdin) input += chunk;
  const order = JSON.parse(input) as Order;
  for (let tries = 0; ; tries++) {
    try {
      await attempt(order);
      return;
    } catch (error) {
      await rm(order.output, { force: true });
      const known = error instanceof DownloadError ? error : undefined;
      const message =
        known?.message ?? `${order.url}: ${(error as Error).message || (error as { code?: string }).code}`;
      const delay = order.retryDelaysMs[tries];
      if (delay === undefined || (known && !known.again)) {
        emit({ event: 'error', message, status: known?.status ?? 0 });
        process.exitCode = 1;
        return;
      }
      emit({ event: 'retry', message, delayMs: delay });
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
}

await main();
