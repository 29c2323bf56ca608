import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { withoutTrailingSlashes } from '@waybill/contracts';
import { Parser, type ReadEntry } from 'tar';
import { CraftError } from '../errors.js';
import { createTreeWriter, setModified, type TreeWriter } from '../files/tree-writer.js';
import { createMeter, type ExtractLimits, type ExtractMeter } from './extract-limits.js';
import { type AbsoluteLinks, checkLinkTarget } from './link-target.js';

/** How a tar stream is unpacked. */
export interface ExtractTarOptions {
  readonly to: string;
  /** Name of the archive, for messages. */
  readonly archive: string;
  readonly limits: ExtractLimits;
  readonly absoluteLinks: AbsoluteLinks;
}

/**
 * Unpacks a tar stream, plain or compressed with gzip, zstd or brotli. Nothing is written outside `to`: paths that climb are
 * errors, links must stay inside, and no entry is written through a link. Owners are not taken over; set-id bits are.
 * @throws CraftError CRAFT_SOURCE_UNSAFE, CRAFT_SOURCE_TOO_LARGE, CRAFT_SOURCE_BROKEN
 */
export async function extractTar(stream: Readable, options: ExtractTarOptions): Promise<void> {
  const writer = createTreeWriter(options.to, { replace: true });
  const meter = createMeter(options.limits, options.archive);
  let queue = Promise.resolve();
  let failure: unknown;
  let seen = 0;
  const parser = new Parser({ strict: true });
  parser.on('entry', (entry: ReadEntry) => {
    seen++;
    queue = queue
      .then(() => {
        if (failure !== undefined) throw failure;
        return writeEntry(entry, writer, meter, options);
      })
      .catch((error: unknown) => {
        failure ??= error;
        entry.resume();
      });
  });
  try {
    await pipeline(
      stream,
      stopWhen(() => failure),
      parser as unknown as NodeJS.WritableStream,
    );
    await queue;
  } catch (error) {
    throw failure instanceof CraftError ? failure : broken(options.archive, failure ?? error);
  }
  if (failure !== undefined) throw failure instanceof CraftError ? failure : broken(options.archive, failure);
  if (seen === 0) throw broken(options.archive, new Error('it has no entries'));
  await writer.finish();
}

/** Ends the stream at the first failure, so that a hostile archive is not read to its end. */
function stopWhen(failure: () => unknown): Transform {
  return new Transform({
    transform(chunk, _encoding, done) {
      const error = failure();
      if (error === undefined) done(null, chunk);
      else done(error as Error);
    },
  });
}

function broken(archive: string, cause: unknown): CraftError {
  return new CraftError('CRAFT_SOURCE_BROKEN', `cannot unpack ${archive}: ${(cause as Error).message}`, { cause });
}

async function writeEntry(
  entry: ReadEntry,
  writer: TreeWriter,
  meter: ExtractMeter,
  options: ExtractTarOptions,
): Promise<void> {
  const path = entryPath(entry.path, options.archive);
  meter.entry();
  const mode = entry.mode ?? 0o644;
  if (path === '') return void entry.resume();
  switch (entry.type) {
    case 'File':
    case 'OldFile':
    case 'ContiguousFile':
      await writer.file(path, mode, metered(entry, meter));
      if (entry.mtime) await setModified(join(options.to, path), BigInt(entry.mtime.getTime()) * 1_000_000n, false);
      return;
    case 'Directory':
    case 'GNUDumpDir':
      entry.resume();
      return writer.directory(path, mode | 0o700);
    case 'SymbolicLink':
      entry.resume();
      return writer.symlink(path, checkLinkTarget(path, entry.linkpath ?? '', options.absoluteLinks, options.archive));
    case 'Link':
      entry.resume();
      return writer.hardlink(path, entryPath(entry.linkpath ?? '', options.archive));
    default:
      entry.resume();
      throw new CraftError(
        'CRAFT_SOURCE_UNSAFE',
        `${options.archive}: ${path} is a ${entry.type}, which a source cannot hold`,
      );
  }
}

function entryPath(raw: string, archive: string): string {
  const path = withoutTrailingSlashes(raw.replace(/^(\.\/+)+/, ''));
  if (path === '.' || path === '') return '';
  if (path.startsWith('/') || path.includes('\0') || path.split('/').includes('..')) {
    throw new CraftError(
      'CRAFT_SOURCE_UNSAFE',
      `${archive}: the entry ${JSON.stringify(raw.slice(0, 200))} leaves the archive`,
      {
        hint: 'do not trust this archive',
      },
    );
  }
  return path.replaceAll(/\/(\.?\/)+/g, '/');
}

async function* metered(chunks: AsyncIterable<Uint8Array>, meter: ExtractMeter): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    meter.bytes(chunk.length);
    yield chunk;
  }
}
