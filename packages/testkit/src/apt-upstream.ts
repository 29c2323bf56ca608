import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import { pipeline } from 'node:stream';

/** What a tampering upstream does with a file: other bytes, or a status of its own. undefined: as it is. */
export type AptTamper = (path: string, content: () => Promise<Buffer>) => TamperResult | Promise<TamperResult>;
type TamperResult = Uint8Array | { readonly status: number } | undefined;

export interface AptUpstreamOptions {
  /** Repository to serve. */
  readonly dir: string;
  /** URL path it lies under. Default `/debian`. */
  readonly prefix?: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly tamper?: AptTamper;
}

/** A request that came, in order. */
export interface AptUpstreamRequest {
  readonly method: string;
  /** Decoded path below the prefix. */
  readonly path: string;
  readonly status: number;
}

export interface AptUpstream {
  /** Base URL without a slash at the end, e.g. `http://127.0.0.1:41234/debian`. */
  readonly url: string;
  readonly requests: readonly AptUpstreamRequest[];
  /** Replaces the tampering, e.g. between two updates. */
  setTamper(tamper: AptTamper | undefined): void;
  close(): Promise<void>;
}

/** Serves a repository's files over http on loopback: GET, HEAD, Range, If-Modified-Since, 404 for what is not there. */
export async function startAptUpstream(options: AptUpstreamOptions): Promise<AptUpstream> {
  const { dir, prefix = '/debian', host = '127.0.0.1' } = options;
  const requests: AptUpstreamRequest[] = [];
  let tamper = options.tamper;
  const server = createServer((request, response) => {
    const path = pathBelow(prefix, request.url ?? '/');
    response.on('finish', () => {
      requests.push({ method: request.method ?? '', path: path ?? request.url ?? '', status: response.statusCode });
    });
    answer({ request, response, dir, path, tamper }).catch(() => {
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}${prefix}`,
    requests,
    setTamper(next) {
      tamper = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function pathBelow(prefix: string, url: string): string | undefined {
  const path = normalize(decodeURIComponent(new URL(url, 'http://upstream.example').pathname));
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length + 1) : undefined;
}

interface Question {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly dir: string;
  readonly path: string | undefined;
  readonly tamper: AptTamper | undefined;
}

async function answer({ request, response, dir, path, tamper }: Question): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405);
  if (path === undefined) return end(response, 404);
  const file = join(dir, path);
  const tampered = await tamper?.(path, () => readFile(file));
  if (tampered && 'status' in tampered) return end(response, tampered.status);
  const info = await stat(file).catch(() => undefined);
  if (!tampered && !info?.isFile()) return end(response, 404);
  const size = tampered ? tampered.length : (info?.size ?? 0);
  const modified = new Date(Math.floor((info?.mtimeMs ?? Date.now()) / 1000) * 1000);
  const since = Date.parse(request.headers['if-modified-since'] ?? '');
  response.setHeader('Last-Modified', modified.toUTCString());
  if (!tampered && since >= modified.getTime()) return end(response, 304);
  const range = rangeOf(request.headers.range, size);
  if (range === 'unsatisfiable') {
    response.setHeader('Content-Range', `bytes */${size}`);
    return end(response, 416);
  }
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('Content-Type', contentType(path));
  response.setHeader('Content-Length', range ? range.end - range.start + 1 : size);
  if (range) response.setHeader('Content-Range', `bytes ${range.start}-${range.end}/${size}`);
  response.writeHead(range ? 206 : 200);
  if (request.method === 'HEAD') response.end();
  else if (tampered) response.end(range ? tampered.subarray(range.start, range.end + 1) : tampered);
  else pipeline(createReadStream(file, range), response, () => {});
}

function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const last = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start > last ? 'unsatisfiable' : { start, end: last };
}

function contentType(path: string): string {
  if (path.endsWith('.deb')) return 'application/vnd.debian.binary-package';
  if (path.endsWith('.gz')) return 'application/x-gzip';
  if (path.endsWith('.xz')) return 'application/x-xz';
  return 'application/octet-stream';
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status).end();
}
