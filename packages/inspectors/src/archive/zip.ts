import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { ArtifactView } from '@waybill/contracts';
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from 'yauzl';
import { ArchiveError, type ArchiveLimits } from './expand.js';

/** A member of a zip archive. */
export interface ZipMember {
  /** As written in the central directory; ends in `/` for directories. */
  readonly path: string;
  /** Bytes after decompression, as announced; what is read is held to it. */
  readonly size: number;
  /** Unix mode where the archive says one, else 0. */
  readonly mode: number;
  /** The member's content. The caller consumes or destroys the stream; it errors when size or checksum do not fit. */
  open(): Promise<Readable>;
  /** @throws ArchiveError when it is longer than `maxBytes` */
  read(maxBytes: number): Promise<Buffer>;
}

export interface ZipOptions {
  readonly limits: ArchiveLimits;
  readonly signal: AbortSignal;
}

/** What a zip is read from: the bytes as they came. */
export type ZipSource = Pick<ArtifactView, 'size' | 'openRaw'>;

/**
 * Walks through the members of a zip archive in the order of its central directory, which is what installers go by; each
 * member's own header must say the same name, and no name may come twice, so that no two readers see different archives.
 *
 * @param visit called for each member in turn; the next one comes when its promise resolves
 * @throws ArchiveError for everything that is wrong with the archive, and what `visit` throws
 * @see PKWARE APPNOTE 6.3.10 §4.3
 */
export async function walkZip(
  source: ZipSource,
  visit: (member: ZipMember) => Promise<void> | void,
  { limits, signal }: ZipOptions,
): Promise<void> {
  let visitorFault: { error: unknown } | undefined;
  let zip: ZipFile | undefined;
  try {
    zip = await fromRandomAccessReaderPromise(new ArtifactReader(source), source.size, {
      autoClose: false,
      strictFileNames: true,
      validateEntrySizes: true,
    });
    if (zip.entryCount > limits.maxEntries) {
      throw new ArchiveError(`the archive has more than ${limits.maxEntries} members`);
    }
    const seen = new Set<string>();
    let expanded = 0;
    for await (const entry of zip.eachEntry()) {
      signal.throwIfAborted();
      expanded += entry.uncompressedSize;
      checkExpansion(expanded, source.size, limits);
      if (seen.has(entry.fileName)) throw new ArchiveError(`the archive has two members ${quote(entry.fileName)}`);
      seen.add(entry.fileName);
      const member = await toMember(zip, entry);
      try {
        await visit(member);
      } catch (error) {
        visitorFault = { error };
        throw error;
      }
    }
  } catch (error) {
    if (visitorFault) throw visitorFault.error;
    if (signal.aborted) throw signal.reason;
    if (error instanceof ArchiveError) throw error;
    throw new ArchiveError(`the archive is damaged: ${(error as Error).message}`, { cause: error });
  } finally {
    zip?.close();
  }
}

async function toMember(zip: ZipFile, entry: Entry): Promise<ZipMember> {
  const local = await zip.readLocalFileHeaderPromise(entry);
  if (!local.fileName.equals(entry.fileNameRaw)) {
    throw new ArchiveError(
      `the archive calls one member ${quote(entry.fileName)} in one place and otherwise in another`,
    );
  }
  return {
    path: entry.fileName,
    size: entry.uncompressedSize,
    mode: entry.externalFileAttributes >>> 16,
    open: async () => Readable.from(checked(await zip.openReadStreamPromise(entry), entry), { objectMode: false }),
    async read(maxBytes) {
      if (entry.uncompressedSize > maxBytes) {
        throw new ArchiveError(`${quote(entry.fileName)} is longer than ${maxBytes} bytes`);
      }
      const chunks: Buffer[] = [];
      for await (const chunk of checked(await zip.openReadStreamPromise(entry), entry)) chunks.push(chunk);
      return Buffer.concat(chunks);
    },
  };
}

/** The library checks the size and leaves the checksum to its caller. */
async function* checked(content: Readable, entry: Entry): AsyncGenerator<Buffer> {
  let sum = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (sum !== entry.crc32)
    throw new ArchiveError(`${quote(entry.fileName)} does not have the checksum that is given for it`);
}

function checkExpansion(expanded: number, compressed: number, limits: ArchiveLimits): void {
  if (expanded > limits.maxBytes) throw new ArchiveError(`the archive expands to more than ${limits.maxBytes} bytes`);
  if (expanded > limits.ratioFreeBytes && expanded > compressed * limits.maxRatio) {
    throw new ArchiveError(`the archive expands more than ${limits.maxRatio} times`);
  }
}

/** Names of members are the archive's own words. */
function quote(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}

/** Largest stretch that is read at once; the library asks for the central directory and for members in one piece each. */
const stretchBytes = 1024 * 1024;

class ArtifactReader extends RandomAccessReader {
  readonly #source: ZipSource;

  constructor(source: ZipSource) {
    super();
    this.#source = source;
  }

  /** @param end exclusive */
  override _readStreamForRange(start: number, end: number): Readable {
    const source = this.#source;
    async function* bytes() {
      for (let at = start; at < end; at += stretchBytes) {
        yield* source.openRaw({ start: at, end: Math.min(end, at + stretchBytes) - 1 });
      }
    }
    return Readable.from(bytes(), { objectMode: false });
  }
}
