import { Readable, Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { isWaybillError } from '@waybill/contracts';
import { ProxyError } from '../errors.js';
import { listMembers } from './headers.js';

/** `Content-Encoding` as inspectors see it: lower case, undefined for identity. */
export function contentCodingOf(header: string | undefined): string | undefined {
  const codings = listMembers(header).filter((coding) => coding !== 'identity');
  return codings.length === 0 ? undefined : codings.join(', ');
}

const mostCodings = 3;
/** Memory that a frame of zstd may ask for, as a power of two: 8 MiB, as RFC 9659 §3 has it. The library's own bound is 128. */
const zstdWindowLog = 23;

/**
 * The bytes with `Content-Encoding` removed. Errors with PROXY_CODING_UNSUPPORTED, PROXY_CODING_INVALID or, past `maxBytes`,
 * PROXY_EXPANSION_LIMIT. Destroying the result destroys the source.
 */
export function decodeContent(source: Readable, coding: string | undefined, maxBytes: number): Readable {
  const codings = listMembers(coding);
  if (codings.length === 0) return source;
  if (codings.length > mostCodings) return failed(source, `${codings.length} codings on top of each other`);
  let stream: Readable = source;
  for (const name of codings.reverse()) {
    const decoder = decoderFor(name);
    if (!decoder) return failed(source, `Content-Encoding ${JSON.stringify(name.slice(0, 40))} is not supported`);
    stream = connect(connect(stream, decoder, name), boundedTo(maxBytes), name);
  }
  return stream;
}

/** Decodes a body that lies in memory; same errors, thrown. */
export async function decodeBytes(
  bytes: Uint8Array,
  coding: string | undefined,
  maxBytes: number,
): Promise<Uint8Array> {
  if (coding === undefined) return bytes;
  const parts: Buffer[] = [];
  for await (const part of decodeContent(Readable.from([bytes]), coding, maxBytes)) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function decoderFor(coding: string): Transform | undefined {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'br':
      return createBrotliDecompress();
    case 'zstd':
      return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLog } });
    case 'deflate':
      return createInflate();
    default:
      return undefined;
  }
}

function boundedTo(maxBytes: number): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size <= maxBytes) return done(null, chunk);
      done(new ProxyError('PROXY_EXPANSION_LIMIT', `the body expands to more than ${maxBytes} bytes`));
    },
  });
}

/** pipe() with errors handed forward and destruction handed back. */
function connect(source: Readable, target: Transform, coding: string): Transform {
  source.on('error', (error) => target.destroy(asCodingError(error, coding)));
  target.on('close', () => source.destroy());
  return source.pipe(target);
}

function asCodingError(error: Error, coding: string): Error {
  if (isWaybillError(error)) return error;
  return new ProxyError('PROXY_CODING_INVALID', `the body is not ${coding} as its Content-Encoding says`, {
    cause: error,
  });
}

function failed(source: Readable, why: string): Readable {
  source.destroy();
  const stream = new Readable({ read() {} });
  stream.destroy(new ProxyError('PROXY_CODING_UNSUPPORTED', why));
  return stream;
}
