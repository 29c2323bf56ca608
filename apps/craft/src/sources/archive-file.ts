import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { decompressorOf, readHead, throughProgram } from './decompress.js';
import { type ExtractTarOptions, extractTar } from './extract-tar.js';

/** A part of a file: where a member of an archive lies. */
export interface FileRange {
  readonly start: number;
  /** Behind the last byte. */
  readonly end: number;
}

/** Unpacks a tar file, whatever it is compressed with. */
export async function extractTarFile(path: string, options: ExtractTarOptions): Promise<void> {
  const program = decompressorOf(await readHead(path));
  await extractTar(openRange(path, undefined, program), options);
}

/** Reads a file or a range of it, through a decompressing program when one is given. */
export function openRange(
  path: string,
  range: FileRange | undefined,
  program: readonly string[] | undefined,
): Readable {
  const raw = createReadStream(path, {
    highWaterMark: 1 << 18,
    ...(range ? { start: range.start, end: range.end - 1 } : {}),
  });
  return program ? throughProgram(raw, program) : raw;
}
