import { createZstdCompress, constants as zlib } from 'node:zlib';
import type { CacheNamespace } from '@waybill/cache-store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CacheMetrics, CacheProtocol } from '../serving/cache-metrics.js';
import { byteRange } from './byte-range.js';

/** What is sent, and how. */
export interface SendOptions {
  readonly namespace: CacheNamespace;
  readonly blob: { readonly sha256: string; readonly size?: number | undefined };
  readonly protocol: CacheProtocol;
  readonly metrics: CacheMetrics;
  readonly contentType?: string | undefined;
  /** The address never means other bytes: whoever has them need not ask again. */
  readonly isImmutable?: boolean | undefined;
  /** Whether everybody may read it, so that caches on the way may answer others with it. */
  readonly isShared?: boolean | undefined;
  /** Whether the protocol's clients understand `content-encoding: zstd` when they say so. */
  readonly mayCompress?: boolean | undefined;
}

/** Smaller bodies gain nothing. */
const worthCompressing = 1024;

/**
 * Answers GET and HEAD with a blob: ranges, conditions, validators. Resolves to false, with nothing sent, when the namespace
 * does not have it; what it has is counted as a hit. A body that turns out to be damaged breaks off before its end.
 */
export async function sendBlob(request: FastifyRequest, reply: FastifyReply, options: SendOptions): Promise<boolean> {
  const { namespace, blob, metrics, protocol } = options;
  const isHead = request.method === 'HEAD';
  const whole = await namespace.open(blob);
  if (!whole) return false;
  metrics.hit(protocol, namespace.name);
  const { size } = whole;
  const isZstd = options.mayCompress === true && size >= worthCompressing && acceptsZstd(request) && !isHead;
  // Another representation, another validator. RFC 9110 §8.8.3
  const etag = `"${blob.sha256}${isZstd ? '-zstd' : ''}"`;
  describe(reply, etag, options);
  if (matches(request.headers['if-none-match'], etag)) {
    whole.stream.destroy();
    await reply.code(304).send();
    return true;
  }
  const range = isZstd || isHead ? undefined : wantedRange(request, etag, size);
  if (range === 'unsatisfiable') {
    whole.stream.destroy();
    await reply.code(416).header('content-range', `bytes */${size}`).send();
    return true;
  }
  if (isHead) {
    whole.stream.destroy();
    await reply.code(200).header('content-length', size).send();
    return true;
  }
  if (range) {
    whole.stream.destroy();
    const part = await namespace.open(blob, range);
    if (!part) return false;
    const length = range.end - range.start + 1;
    reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`);
    metrics.sent(protocol, namespace.name, length);
    await reply.header('content-length', length).send(part.stream);
    return true;
  }
  metrics.sent(protocol, namespace.name, size);
  if (isZstd) {
    const compress = createZstdCompress({ params: { [zlib.ZSTD_c_compressionLevel]: 1 } });
    whole.stream.once('error', (error) => compress.destroy(error));
    compress.once('close', () => whole.stream.destroy());
    await reply.code(200).header('content-encoding', 'zstd').send(whole.stream.pipe(compress));
    return true;
  }
  await reply.code(200).header('content-length', size).send(whole.stream);
  return true;
}

function describe(reply: FastifyReply, etag: string, options: SendOptions): void {
  reply
    .header('etag', etag)
    .header('accept-ranges', 'bytes')
    // Where it depends on the credentials who may read, no cache on the way may answer for us.
    .header('cache-control', cacheControl(options))
    .type(options.contentType ?? 'application/octet-stream')
    // What others stored is never shown as a page of ours.
    .header('x-content-type-options', 'nosniff')
    .header('content-security-policy', "default-src 'none'; sandbox");
  if (options.mayCompress) reply.header('vary', 'accept-encoding');
}

function cacheControl({ isImmutable, isShared }: SendOptions): string {
  const scope = isShared ? 'public' : 'private';
  return isImmutable ? `${scope}, max-age=31536000, immutable` : 'private, no-cache';
}

function wantedRange(request: FastifyRequest, etag: string, size: number) {
  const { 'if-range': condition, range } = request.headers;
  // A range of what the client has an older part of makes no sense. RFC 9110 §13.1.5
  if (condition !== undefined && condition !== etag) return undefined;
  return byteRange(range, size);
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

/** Named, and not with weight 0; `*` does not count, since many send it without knowing zstd. */
function acceptsZstd(request: FastifyRequest): boolean {
  const { 'accept-encoding': accepted = '' } = request.headers;
  const codings = typeof accepted === 'string' ? accepted : '';
  return codings
    .split(',')
    .some((coding) => /^\s*zstd\s*(;\s*q=(?!0(\.0*)?\s*$))?/i.test(coding) && !/q=0(\.0*)?\s*$/.test(coding));
}
