import { PassThrough, pipeline, type Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createZstdCompress, createZstdDecompress, zstdCompress, zstdDecompress } from 'node:zlib';
import { invalid } from './digest.js';
import { createFrameSplitter } from './zstd-frames.js';

const inflate = promisify(zstdDecompress);
const deflate = promisify(zstdCompress);

/**
 * The plain bytes of a small blob. What was announced bounds the work, whatever the frames claim.
 * @throws ConnectError InvalidArgument
 */
export async function inflateBlob(data: Uint8Array, size: number): Promise<Uint8Array> {
  const splitter = createFrameSplitter();
  const frames = splitter.split(data);
  if (!splitter.isBetweenFrames()) throw invalid('zstd data that ends inside a frame');
  if (frames.length > mostFrames(size)) throw tooManyFrames(size);
  const parts: Buffer[] = [];
  let room = size;
  for (const frame of frames) {
    const part = await inflateFrame(frame.data, room);
    room -= part.length;
    parts.push(part);
  }
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}

async function inflateFrame(data: Uint8Array, room: number): Promise<Buffer> {
  try {
    // One more than there is room for, since there may be none: the store says what is too much.
    return await inflate(data, { maxOutputLength: room + 1 });
  } catch (cause) {
    throw invalid(`no zstd data of the announced size: ${(cause as Error).message}`);
  }
}

/** A small blob in one frame. */
export function deflateBlob(data: Uint8Array): Promise<Buffer> {
  return deflate(data);
}

/** Bytes as one zstd frame; an error or the end of either side ends the other. */
export function deflateStream(plain: Readable): Readable {
  return pipeline(plain, createZstdCompress(), new PassThrough(), () => undefined);
}

/** Takes zstd data and passes plain bytes on. */
export interface InflateSink {
  write(chunk: Uint8Array): Promise<void>;
  /** Resolves when all plain bytes were taken. @throws ConnectError InvalidArgument inside a frame */
  end(): Promise<void>;
  abort(): void;
}

/**
 * @param size plain bytes that were announced; more frames than such data can have are refused, since each costs a decompressor
 * @param take where plain bytes go; what it throws ends the writing with that error
 */
export function inflateTo(size: number, take: (chunk: Uint8Array) => Promise<void>): InflateSink {
  const splitter = createFrameSplitter();
  let frame: InflateSink | undefined;
  let frames = 0;
  return {
    async write(chunk) {
      for (const { data, endsFrame } of splitter.split(chunk)) {
        if (!frame) {
          frames += 1;
          if (frames > mostFrames(size)) throw tooManyFrames(size);
          frame = inflateFrameTo(take);
        }
        await frame.write(data);
        if (!endsFrame) continue;
        await frame.end();
        frame = undefined;
      }
    },
    async end() {
      if (!splitter.isBetweenFrames()) throw invalid('zstd data that ends inside a frame');
    },
    abort: () => frame?.abort(),
  };
}

function inflateFrameTo(take: (chunk: Uint8Array) => Promise<void>): InflateSink {
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

function mostFrames(size: number): number {
  return 16 + Math.ceil(size / 4096);
}

function tooManyFrames(size: number) {
  return invalid(`zstd data of more than ${mostFrames(size)} frames for ${size} bytes`);
}

function isZstdError(cause: unknown): boolean {
  return /^(ZSTD_|Z_|ERR_ZSTD|ERR_ZLIB|ERR_BUFFER)/.test(String((cause as { code?: unknown })?.code ?? ''));
}
