import { hash, randomUUID } from 'node:crypto';
import { copyFile, constants as fsConstants, link, rename, rm, writeFile } from 'node:fs/promises';
import type { BlobInfo, ByteRange, Logger } from '@waybill/contracts';
import type { BlobLocation } from './blob-index.js';
import type { Catalog, Segment } from './catalog.js';
import { BlobStoreError, corruptError, notFoundError, storageError, systemCode } from './errors.js';
import { readFileBlob, spanOf } from './file-blob-stream.js';
import type { HashPool } from './hash-pool.js';
import { filePath, isBlobName, type Layout } from './layout.js';
import { decodeHeader, headerBytes } from './record.js';
import type { SegmentFiles } from './segment-files.js';

/** Damaged names remembered for repair. */
const damagedNames = 10_000;

/** What reading needs of a store. */
export interface ReadParts {
  readonly layout: Layout;
  readonly catalog: Catalog;
  readonly files: SegmentFiles;
  readonly hashes: HashPool;
  readonly logger: Logger;
}

/** The reading half of a store. */
export class BlobReads {
  readonly #parts: ReadParts;
  /** Names whose bytes were found damaged: the same bytes are stored anew when they come again. */
  readonly damaged = new Set<string>();

  constructor(parts: ReadParts) {
    this.#parts = parts;
  }

  async stat(name: string): Promise<BlobInfo | undefined> {
    const location = this.#locate(name);
    if (!location) return undefined;
    const bytes = await this.#readRecord(name, location, headerBytes);
    if (!bytes) return await this.stat(name);
    const header = decodeHeader(bytes);
    if (header?.digests.sha256 !== name) throw this.#damage(name, 'its record is unreadable');
    return { digests: header.digests, size: header.size };
  }

  async *chunks(name: string, range: ByteRange | undefined): AsyncGenerator<Buffer> {
    const location = this.#locate(name);
    if (!location) throw notFoundError(name);
    try {
      if (location.place === 'packed') {
        const span = spanOf(range, location.size);
        yield (await this.#readPacked(name, location)).subarray(span.start, span.end);
      } else {
        const { layout, hashes } = this.#parts;
        yield* readFileBlob({ path: filePath(layout, name), name, size: location.size, range, hashes });
      }
    } catch (error) {
      throw this.#judge(name, error);
    }
  }

  /** The file is there as a whole or not at all. */
  async exportTo(name: string, path: string): Promise<void> {
    const location = this.#locate(name);
    if (!location) throw notFoundError(name);
    const temporary = `${path}.${randomUUID()}.part`;
    try {
      if (location.place === 'file') await linkOrCopy(filePath(this.#parts.layout, name), temporary);
      else await writeFile(temporary, await this.#readPacked(name, location), { mode: 0o600, flag: 'wx' });
      await rename(temporary, path);
    } catch (error) {
      throw storageError(error, `export blob ${name} to`, path);
    } finally {
      // Renaming a link onto another link of the same file leaves both. rename(2)
      await rm(temporary, { force: true });
    }
  }

  #locate(name: string): BlobLocation | undefined {
    return isBlobName(name) ? this.#parts.catalog.index.get(name) : undefined;
  }

  /** The whole body, verified. */
  async #readPacked(name: string, location: BlobLocation): Promise<Buffer> {
    const bytes = await this.#readRecord(name, location, headerBytes + location.size);
    if (!bytes) {
      const moved = this.#locate(name);
      if (!moved) throw notFoundError(name);
      return await this.#readPacked(name, moved);
    }
    const body = bytes.subarray(headerBytes);
    if (body.length !== location.size) throw this.#damage(name, `its segment ends after ${body.length} bytes of it`);
    const found = hash('sha256', body);
    if (found !== name) throw this.#damage(name, `its bytes hash to ${found}`);
    return body;
  }

  /** undefined when compaction moved the record meanwhile. */
  async #readRecord(name: string, location: BlobLocation, length: number): Promise<Buffer | undefined> {
    const segment = this.#parts.catalog.segments.get(location.segment);
    try {
      if (segment) return await this.#parts.files.read(segment, location.offset, length);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw storageError(error, 'read', this.#parts.files.path(segment as Segment));
    }
    const now = this.#locate(name);
    if (now && now.segment === location.segment && now.offset === location.offset) {
      throw this.#damage(name, 'its segment is missing');
    }
    return undefined;
  }

  /** What a failed read of a file says about the blob. */
  #judge(name: string, error: unknown): unknown {
    if (!(error instanceof BlobStoreError)) return error;
    if (error.code === 'BLOB_NOT_FOUND' && this.#locate(name)) return this.#damage(name, 'its file is missing');
    if (error.code === 'BLOB_CORRUPT') this.#remember(name);
    return error;
  }

  #damage(name: string, found: string): BlobStoreError {
    this.#remember(name);
    return corruptError(name, found);
  }

  #remember(name: string): void {
    if (this.damaged.has(name) || this.damaged.size >= damagedNames) return;
    this.damaged.add(name);
    this.#parts.logger.error({ blob: name }, 'blob damaged on disk');
  }
}

/** A hard link where the file system allows one, else a copy. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(systemCode(error) ?? '')) throw error;
    await copyFile(from, to, fsConstants.COPYFILE_EXCL | fsConstants.COPYFILE_FICLONE);
  }
}
