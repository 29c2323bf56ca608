import { hash, randomUUID } from 'node:crypto';
import { copyFile, constants as fsConstants, link, rename, rm, writeFile } from 'node:fs/promises';
import {
  type BlobInfo,
  type ByteRange,
  type Digest,
  isHexDigest,
  type Logger,
  matchesDigest,
} from '@waybill/contracts';
import { BlobStoreError, corruptError, notFoundError, storageError, systemCode } from '../errors.js';
import { spanOf } from '../span.js';
import type { BlobLocation } from './blob-index.js';
import type { Catalog } from './catalog.js';
import { readFileBlob } from './file-blob-stream.js';
import type { HashPool } from './hash-pool.js';
import { filePath, isBlobName, type Layout } from './layout.js';
import { decodeHeader, headerBytes, type RecordHeader } from './record.js';
import type { SegmentFiles } from './segment-files.js';

/** Damaged names remembered for repair. */
const damagedNames = 10_000;

/** What reading needs of a slot. */
export interface ReadParts {
  readonly layout: Layout;
  readonly catalog: Catalog;
  readonly files: SegmentFiles;
  readonly hashes: HashPool;
  readonly logger: Logger;
  /** Of a slot that another process writes: looks what it did meanwhile. */
  readonly catchUp?: () => Promise<void>;
}

/** A file, or a place in one. */
export interface BlobPlace {
  readonly from: string;
  readonly offset?: number;
  readonly size: number;
}

/** Reads the blobs of one slot. */
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
    const header = bytes && decodeHeader(bytes);
    if (header?.digests.sha256 === name) return { digests: header.digests, size: header.size };
    if (await this.#hasMoved(name, location)) return await this.stat(name);
    throw this.#damage(name, bytes ? 'its record is unreadable' : 'its segment is missing');
  }

  /** The name of a blob with this digest. */
  async resolve(digest: Digest): Promise<string | undefined> {
    const { algorithm, hex } = digest;
    if (!isHexDigest(algorithm, hex)) return undefined;
    const { index } = this.#parts.catalog;
    if (algorithm === 'sha256') return index.get(hex) && !this.damaged.has(hex) ? hex : undefined;
    if (algorithm !== 'sha1' && algorithm !== 'sha512') return undefined;
    for (const name of index.candidates(algorithm, hex)) {
      const info = this.damaged.has(name) ? undefined : await this.#statIntact(name);
      if (info && matchesDigest(digest, info.digests) === true) return name;
    }
    return undefined;
  }

  /** A damaged blob is as good as none for who looks for one to use. */
  async #statIntact(name: string): Promise<BlobInfo | undefined> {
    try {
      return await this.stat(name);
    } catch (error) {
      if (error instanceof BlobStoreError && error.code === 'BLOB_CORRUPT') return undefined;
      throw error;
    }
  }

  async *chunks(name: string, range: ByteRange | undefined): AsyncGenerator<Buffer> {
    const location = this.#locate(name);
    if (!location) throw notFoundError(name);
    try {
      if (location.place === 'packed') {
        const span = spanOf(range, location.size);
        yield (await this.#readPacked(name, location)).subarray(headerBytes + span.start, headerBytes + span.end);
      } else {
        const { layout, hashes } = this.#parts;
        yield* readFileBlob({ path: filePath(layout, name), name, size: location.size, range, hashes });
      }
    } catch (error) {
      throw this.#judge(name, error);
    }
  }

  /** A packed blob with its header, verified. */
  async packed(name: string): Promise<{ readonly header: RecordHeader; readonly body: Buffer }> {
    const location = this.#locate(name);
    if (!location) throw notFoundError(name);
    const bytes = await this.#readPacked(name, location);
    const header = decodeHeader(bytes);
    if (header?.digests.sha256 !== name) throw this.#damage(name, 'its record is unreadable');
    return { header, body: bytes.subarray(headerBytes) };
  }

  /** The file is there as a whole or not at all. */
  async exportTo(name: string, path: string): Promise<void> {
    const location = this.#locate(name);
    if (!location) throw notFoundError(name);
    const temporary = `${path}.${randomUUID()}.part`;
    try {
      if (location.place === 'file') await linkOrCopy(filePath(this.#parts.layout, name), temporary);
      else
        await writeFile(temporary, (await this.#readPacked(name, location)).subarray(headerBytes), {
          mode: 0o600,
          flag: 'wx',
        });
      await rename(temporary, path);
    } catch (error) {
      throw storageError(error, `export blob ${name} to`, path);
    } finally {
      // Renaming a link onto another link of the same file leaves both. rename(2)
      await rm(temporary, { force: true });
    }
  }

  /** Where the bytes of a blob lie at this moment; undefined when that cannot be told without looking. */
  place(name: string): BlobPlace | undefined {
    const location = this.damaged.has(name) ? undefined : this.#locate(name);
    if (!location) return undefined;
    const { layout, catalog, files } = this.#parts;
    if (location.place === 'file') return { from: filePath(layout, name), size: location.size };
    const segment = catalog.segments.get(location.segment);
    if (!segment) return undefined;
    return { from: files.path(segment), offset: location.offset + headerBytes, size: location.size };
  }

  #locate(name: string): BlobLocation | undefined {
    return isBlobName(name) ? this.#parts.catalog.index.get(name) : undefined;
  }

  /** The whole record, its body verified. */
  async #readPacked(name: string, location: BlobLocation): Promise<Buffer> {
    const bytes = await this.#readRecord(name, location, headerBytes + location.size);
    const body = bytes?.subarray(headerBytes);
    const found = body?.length === location.size ? hash('sha256', body) : undefined;
    if (bytes && found === name) return bytes;
    if (await this.#hasMoved(name, location)) {
      const now = this.#locate(name);
      if (!now) throw notFoundError(name);
      return await this.#readPacked(name, now);
    }
    if (!body) throw this.#damage(name, 'its segment is missing');
    if (!found) throw this.#damage(name, `its segment ends after ${body.length} bytes of it`);
    throw this.#damage(name, `its bytes hash to ${found}`);
  }

  /** undefined when the segment is no more. */
  async #readRecord(name: string, location: BlobLocation, length: number): Promise<Buffer | undefined> {
    const { catalog, files } = this.#parts;
    const segment = catalog.segments.get(location.segment);
    if (!segment) return undefined;
    try {
      return await files.read(segment, location.offset, length);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw storageError(error, `read blob ${name} in`, files.path(segment));
    }
  }

  /** Whether the record is elsewhere by now, or gone: compaction moves records, and another process may have deleted it. */
  async #hasMoved(name: string, { segment, offset }: BlobLocation): Promise<boolean> {
    const { catchUp, catalog, files } = this.#parts;
    const isSame = () => {
      const now = this.#locate(name);
      return now?.segment === segment && now.offset === offset;
    };
    if (!isSame()) return true;
    if (!catchUp) return false;
    await catchUp();
    if (!isSame() || this.#parts.files !== files) return true;
    // The list of its segments may not be settled yet.
    const known = catalog.segments.get(segment);
    const isGone = !known || !(await files.exists(known));
    if (isGone) this.#parts.catalog.forget(name);
    return isGone;
  }

  /** What a failed read of a file says about the blob. */
  #judge(name: string, error: unknown): unknown {
    if (!(error instanceof BlobStoreError)) return error;
    // Another process removes a file before it says so.
    const isMissing = error.code === 'BLOB_NOT_FOUND' && this.#locate(name) && !this.#parts.catchUp;
    if (isMissing) return this.#damage(name, 'its file is missing');
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
