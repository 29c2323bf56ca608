import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { FormatProblem, messageOf } from '../format-problem.js';
import { decodeBzip2 } from './bzip2.js';
import { decodeXz } from './xz.js';

/** Compressions that apt's files come in and that are read. */
export type Compression = 'none' | 'gz' | 'xz' | 'zst' | 'bz2';

/** What else the first bytes can show; these are refused by name. */
const unread: readonly (readonly [magic: string, name: string])[] = [
  ['\x04\x22\x4d\x18', 'lz4'],
  ['\x5d\0\0', 'lzma'],
];

/**
 * The compression that the first bytes show.
 * @throws FormatProblem for one that is not read
 */
export function sniffCompression(head: Uint8Array): Compression {
  const start = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, 6)).toString('latin1');
  if (start.startsWith('\x1f\x8b')) return 'gz';
  if (start.startsWith('\xfd7zXZ\0')) return 'xz';
  if (start.startsWith('\x28\xb5\x2f\xfd')) return 'zst';
  if (/^BZh[1-9]/.test(start)) return 'bz2';
  const name = unread.find(([magic]) => start.startsWith(magic))?.[1];
  if (name) throw new FormatProblem(`compressed with ${name}, expected xz, gzip, zstd, bzip2 or no compression`);
  return 'none';
}

export interface DecompressOptions {
  readonly compression: Compression;
  /** More decompressed bytes than this are an error. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Decompressed chunks; breaking off the loop releases source and decoder.
 * @throws FormatProblem for damaged bytes and for more than `maxBytes`
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  { compression, maxBytes, signal }: DecompressOptions,
): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of decoded(source, compression, signal)) {
    size += chunk.length;
    if (size > maxBytes) throw new FormatProblem(`holds more than ${maxBytes} bytes once decompressed`);
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}

/** Decompresses by the first bytes, whatever the name said. */
export async function* decompressAny(
  source: AsyncIterable<Uint8Array>,
  options: Omit<DecompressOptions, 'compression'>,
): AsyncGenerator<Buffer> {
  const input = source[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let size = 0;
  try {
    while (size < 6) {
      const { value, done } = await input.next();
      if (done) break;
      head.push(value);
      size += value.length;
    }
    const compression = sniffCompression(Buffer.concat(head));
    yield* decompress(rejoined(head, input), { ...options, compression });
  } finally {
    await input.return?.();
  }
}

async function* rejoined(head: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* head;
  for (;;) {
    const { value, done } = await rest.next();
    if (done) return;
    yield value;
  }
}

function decoded(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  if (compression === 'none') return source;
  if (compression === 'xz') return decodeXz(source, signal);
  if (compression === 'bz2') return decodeBzip2(source, signal);
  return decodeWithZlib(source, compression);
}

async function* decodeWithZlib(source: AsyncIterable<Uint8Array>, compression: 'gz' | 'zst'): AsyncGenerator<Buffer> {
  const decoder =
    compression === 'gz' ? createGunzip({ chunkSize: 65_536 }) : createZstdDecompress({ chunkSize: 65_536 });
  const input = source instanceof Readable ? source : Readable.from(source, { objectMode: false });
  // Errors of the source reach the reader of the decoder as they are.
  pipeline(input, decoder, () => {});
  try {
    for await (const chunk of decoder) yield chunk as Buffer;
  } catch (error) {
    if (!isDecoderError(error)) throw error;
    throw new FormatProblem(`damaged ${compression === 'gz' ? 'gzip' : 'zstd'} data: ${messageOf(error)}`);
  } finally {
    decoder.destroy();
    input.destroy();
  }
}

function isDecoderError(error: unknown): boolean {
  return /^(Z_|ZSTD_|ERR_ZLIB|ERR_BUFFER_TOO_LARGE)/.test(String((error as { code?: unknown } | undefined)?.code));
}
