import { PassThrough, pipeline, type Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createZstdCompress, createZstdDecompress, zstdCompress, zstdDecompress } from 'node:zlib';
import { invalid } from './digest.js';

const inflate = promisify(zstdDecompress);
const deflate = promisify(zstdCompress);

/**
 * The plain bytes of a small blob. What was announced bounds the work, whatever the frame claims.
 * @throws ConnectError InvalidArgument
 */
export async function inflateBlob(data: Uint8Array, size: number): Promise<Uint8Array> {
  if (size === 0) return new Uint8Array();
  try {
    return await inflate(data, { maxOutputLength: size });
  } catch (cause) {
    throw invalid(`no zstd data of ${size} bytes: ${(cause as Error).message}`);
  }
}

/** A small blob in one frame. */
export function deflateBlob(data: Uint8Array): Promise<Buffer> {
  return deflate(data);
}

/** Bytes as zstd frames; an error or the end of either side ends the other. */
export function deflateStream(plain: Readable): Readable {
  return pipeline(plain, createZstdCompress(), new PassThrough(), () => undefined);
}

/** Takes zstd frames and passes plain bytes on. */
export interface InflateSink {
  write(chunk: Uint8Array): Promise<void>;
  /** Resolves when all plain bytes were taken. */
  end(): Promise<void>;
  abort(): void;
}

/** @param take where plain bytes go; what it throws ends the writing with that error */
export function inflateTo(take: (chunk: Uint8Array) => Promise<void>): InflateSink {
  const zstd = createZstdDecompress();
  let failure: unknown;
  const drained = (async () => {
    for await (const chunk of zstd) await take(chunk as Buffer);
  })().catch((cause: unknown) => {
    failure = isZstdError(cause) ? invalid(`no zstd data: ${(cause as Error).message}`) : cause;
    zstd.destroy();
  });
  const check = () => {
    if (failure !== undefined) throw failure;
  };
  return {
    async write(chunk) {
      check();
      if (!zstd.write(chunk)) await Promise.race([new Promise((resolve) => zstd.once('drain', resolve)), drained]);
      check();
    },
    async end() {
      zstd.end();
      await drained;
      check();
    },
    abort() {
      zstd.destroy();
    },
  };
}

function isZstdError(cause: unknown): boolean {
  return /^(ZSTD_|Z_|ERR_ZSTD|ERR_ZLIB|ERR_BUFFER)/.test(String((cause as { code?: unknown })?.code ?? ''));
}
