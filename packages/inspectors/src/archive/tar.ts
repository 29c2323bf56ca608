import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { ArchiveError, type ArchiveLimits, expandMaybeGzip } from './expand.js';

/** A member of a tar archive. */
export interface TarMember {
  /** As written in the archive. */
  readonly path: string;
  readonly type: NonNullable<Header['type']>;
  /** Bytes. */
  readonly size: number;
  /**
   * The member's content; what is not read is skipped.
   * @throws ArchiveError when it is longer than `maxBytes`
   */
  read(maxBytes: number): Promise<Buffer>;
}

export interface TarOptions {
  readonly limits: ArchiveLimits;
  readonly signal: AbortSignal;
}

/**
 * Walks through a tar archive, plain or in gzip, in one pass and bounded steps.
 * @param visit called for each member in turn; the next one comes when its promise resolves
 * @throws ArchiveError for everything that is wrong with the archive, and what `visit` throws
 */
export async function walkTar(
  source: Readable,
  visit: (member: TarMember) => Promise<void> | void,
  { limits, signal }: TarOptions,
): Promise<void> {
  const reader = extract();
  let entries = 0;
  let visitorFault: { error: unknown } | undefined;
  reader.on('entry', (headers, content, next) => {
    const body = content as unknown as Readable;
    const step = async () => {
      entries += 1;
      if (entries > limits.maxEntries) throw new ArchiveError(`the archive has more than ${limits.maxEntries} members`);
      try {
        await visit(toMember(headers, body));
      } catch (error) {
        visitorFault = { error };
        throw error;
      }
      body.resume();
      await ended;
    };
    const ended = new Promise((resolve) => body.once('end', resolve).once('close', resolve));
    body.on('error', () => {});
    step().then(
      () => next(),
      (error: unknown) => reader.destroy(error instanceof Error ? error : new Error(String(error))),
    );
  });
  try {
    await pipeline(await expandMaybeGzip(source, limits), reader as unknown as NodeJS.WritableStream, { signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (visitorFault) throw visitorFault.error;
    throw damaged(error);
  } finally {
    source.destroy();
  }
}

function damaged(error: unknown): ArchiveError {
  if (error instanceof ArchiveError) return error;
  return new ArchiveError(`the archive is damaged: ${(error as Error).message}`, { cause: error });
}

function toMember(headers: Header, body: Readable): TarMember {
  return {
    path: headers.name,
    type: headers.type ?? 'file',
    size: headers.size ?? 0,
    async read(maxBytes) {
      if ((headers.size ?? 0) > maxBytes) {
        throw new ArchiveError(`${JSON.stringify(headers.name.slice(0, 200))} is longer than ${maxBytes} bytes`);
      }
      const chunks: Buffer[] = [];
      body.on('data', (chunk: Buffer) => chunks.push(chunk));
      await new Promise<void>((resolve, reject) => {
        body.on('end', resolve);
        body.on('close', resolve);
        // What is wrong with the archive further down shows here, in the middle of a visit.
        body.on('error', (error) => reject(damaged(error)));
      });
      return Buffer.concat(chunks);
    },
  };
}

/** Why a path would leave the directory it is unpacked to, or undefined when it stays inside. */
export function pathEscapes(path: string): string | undefined {
  if (path.includes('\0')) return 'a NUL character';
  if (/^([/\\]|[A-Za-z]:)/.test(path)) return 'an absolute path';
  return path.split(/[/\\]/).includes('..') ? 'a path with ..' : undefined;
}
