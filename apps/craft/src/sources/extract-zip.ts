import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { withoutTrailingSlashes } from '@waybill/contracts';
import { type Entry, open as openZip, type ZipFile } from 'yauzl';
import { CraftError } from '../errors.js';
import { checkInside, createTreeWriter, setModified, type TreeWriter } from '../files/tree-writer.js';
import { createMeter, type ExtractLimits, type ExtractMeter } from './extract-limits.js';
import { checkLinkTarget } from './link-target.js';

const maxLinkBytes = 4_096;

/**
 * Unpacks a zip file with the modes and links that Unix tools put there. Nothing is written outside `to`.
 * @throws CraftError CRAFT_SOURCE_UNSAFE, CRAFT_SOURCE_TOO_LARGE, CRAFT_SOURCE_BROKEN
 */
export async function extractZip(
  path: string,
  options: { to: string; archive: string; limits: ExtractLimits },
): Promise<void> {
  const writer = createTreeWriter(options.to, { replace: true });
  const meter = createMeter(options.limits, options.archive);
  const zip = await openFile(path).catch((cause: unknown) => {
    throw broken(options.archive, cause);
  });
  try {
    for (let entry = await nextEntry(zip); entry; entry = await nextEntry(zip)) {
      meter.entry();
      await writeEntry(zip, entry, writer, meter, options);
    }
  } catch (error) {
    throw error instanceof CraftError ? error : broken(options.archive, error);
  } finally {
    zip.close();
  }
  await writer.finish();
}

function openFile(path: string): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    openZip(
      path,
      { lazyEntries: true, autoClose: false, strictFileNames: true, validateEntrySizes: true },
      (error, zip) => (zip ? resolve(zip) : reject(error)),
    );
  });
}

function nextEntry(zip: ZipFile): Promise<Entry | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => {
      zip.removeAllListeners('entry');
      zip.removeAllListeners('end');
      zip.removeAllListeners('error');
      done();
    };
    zip.on('entry', (entry: Entry) => settle(() => resolve(entry)));
    zip.on('end', () => settle(() => resolve(undefined)));
    zip.on('error', (error: Error) => settle(() => reject(error)));
    zip.readEntry();
  });
}

function readEntry(zip: ZipFile, entry: Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => (stream ? resolve(stream) : reject(error)));
  });
}

async function writeEntry(
  zip: ZipFile,
  entry: Entry,
  writer: TreeWriter,
  meter: ExtractMeter,
  options: { to: string; archive: string },
): Promise<void> {
  const path = withoutTrailingSlashes(entry.fileName);
  if (path === '' || path === '.') return;
  checkPath(path, options.archive);
  if (entry.isEncrypted()) throw broken(options.archive, new Error(`${path} is encrypted`));
  const unix = entry.versionMadeBy >>> 8 === 3 ? entry.externalFileAttributes >>> 16 : 0;
  const kind = unix & 0o170000;
  if (entry.fileName.endsWith('/')) return writer.directory(path, (unix & 0o777) | 0o700);
  if (kind !== 0 && kind !== 0o100000 && kind !== 0o120000) {
    throw new CraftError('CRAFT_SOURCE_UNSAFE', `${options.archive}: ${path} is neither a file nor a link`);
  }
  const content = await readEntry(zip, entry);
  if (kind === 0o120000) {
    const target = await readLink(content, path, options.archive);
    return writer.symlink(path, checkLinkTarget(path, target, 'refuse', options.archive));
  }
  await writer.file(path, unix & 0o777 || 0o644, metered(content, meter));
  await setModified(join(options.to, path), BigInt(entry.getLastModDate().getTime()) * 1_000_000n, false);
}

function checkPath(path: string, archive: string): void {
  try {
    checkInside(path);
  } catch (cause) {
    throw new CraftError('CRAFT_SOURCE_UNSAFE', `${archive}: ${(cause as Error).message}`, {
      hint: 'do not trust this archive',
      cause,
    });
  }
}

async function readLink(content: Readable, path: string, archive: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of content) {
    size += (chunk as Buffer).length;
    if (size > maxLinkBytes)
      throw new CraftError('CRAFT_SOURCE_UNSAFE', `${archive}: the target of the link ${path} is too long`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function* metered(chunks: AsyncIterable<Uint8Array>, meter: ExtractMeter): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    meter.bytes(chunk.length);
    yield chunk;
  }
}

function broken(archive: string, cause: unknown): CraftError {
  const message = (cause as Error).message;
  const unsafe = /invalid (relative path|characters|absolute path)|absolute path/.test(message);
  return new CraftError(
    unsafe ? 'CRAFT_SOURCE_UNSAFE' : 'CRAFT_SOURCE_BROKEN',
    `cannot unpack ${archive}: ${message}`,
    { cause },
  );
}
