import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { ArtifactView, BodyDigests, HeaderView, RequestView } from '@waybill/contracts';

/** A request as a test writes it down. */
export interface FakeRequest {
  readonly url: string;
  /** Default GET. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** A response as a test writes it down. */
export interface FakeResponse {
  readonly body: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 200. */
  readonly status?: number;
  /** Default `application/octet-stream`, or the `content-type` header. */
  readonly mediaType?: string;
  /** `gzip` or `zstd`: `body` is the encoded form then. */
  readonly contentEncoding?: 'gzip' | 'zstd';
}

export function fakeHeaders(values: Readonly<Record<string, string>> = {}): HeaderView {
  const lower = new Map(Object.entries(values).map(([name, value]) => [name.toLowerCase(), value]));
  return { get: (name) => lower.get(name.toLowerCase()), raw: Object.entries(values).flat() };
}

export function fakeRequest(request: FakeRequest | string): RequestView {
  const given = typeof request === 'string' ? { url: request } : request;
  const url = new URL(given.url);
  const body = given.body === undefined ? undefined : bytesOf(given.body);
  return {
    method: given.method ?? 'GET',
    url,
    normalizedUrl: normalized(url),
    headers: fakeHeaders(given.headers),
    body,
  };
}

export function fakeArtifact(request: FakeRequest | string, response: FakeResponse): ArtifactView {
  const raw = bytesOf(response.body);
  const plain = () =>
    response.contentEncoding === 'gzip'
      ? gunzipSync(raw)
      : response.contentEncoding === 'zstd'
        ? zstdDecompressSync(raw)
        : raw;
  const headers = fakeHeaders(response.headers);
  return {
    request: fakeRequest(request),
    status: response.status ?? 200,
    responseHeaders: headers,
    // As of a large body: inspectors that need sha512 have to ask for it.
    digests: { sha1: digestsOf(raw).sha1, sha256: digestsOf(raw).sha256 },
    digest: async (algorithm) => digestsOf(raw)[algorithm],
    size: raw.length,
    mediaType: response.mediaType ?? headers.get('content-type')?.split(';')[0]?.trim() ?? 'application/octet-stream',
    contentEncoding: response.contentEncoding,
    open: () => chunked(plain),
    openRaw: (range) => chunked(range ? raw.subarray(range.start, range.end + 1) : raw),
    decoded: async () => ({ digests: digestsOf(plain()), size: plain().length }),
  };
}

export function digestsOf(bytes: Uint8Array): Required<BodyDigests> {
  const hex = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex');
  return { sha1: hex('sha1'), sha256: hex('sha256'), sha512: hex('sha512') };
}

export function bytesOf(body: Uint8Array | string): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body;
}

/** Streams in pieces small enough that parsers meet chunk borders. */
export function chunked(given: Uint8Array | (() => Uint8Array), size = 1021): Readable {
  return Readable.from(
    (function* () {
      const bytes = typeof given === 'function' ? given() : given;
      for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size));
    })(),
    { objectMode: false },
  );
}

function normalized(url: URL): string {
  const port = url.port || (url.protocol === 'https:' ? '443' : '');
  return `${url.protocol}//${url.hostname}${port && `:${port}`}${url.pathname}${url.search}`;
}
