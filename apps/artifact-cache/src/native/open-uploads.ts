import { randomBytes } from 'node:crypto';
import type { CacheUpload } from '@waybill/cache-store';
import { ArtifactCacheError } from '../errors.js';

/** An upload between two requests. */
export interface OpenUpload {
  readonly id: string;
  readonly upload: CacheUpload;
  readonly size: number;
  readonly namespace: string;
  readonly principal: string;
}

/** So long an upload may lie untouched: it holds room that others could use. */
const idleMs = 15 * 60_000;
/** Of one principal and of all; a new one pushes out the one that lay untouched for longest. */
const mostOfOne = 64;
const mostOfAll = 1024;

interface Kept extends OpenUpload {
  usedAt: number;
  isBusy: boolean;
}

/** Uploads that are begun and not ended, in memory. */
export function createOpenUploads() {
  const all = new Map<string, Kept>();
  const end = async ({ id, upload }: OpenUpload): Promise<void> => {
    all.delete(id);
    await upload.abort();
  };
  const expire = async () => {
    const old = performance.now() - idleMs;
    for (const kept of all.values()) if (!kept.isBusy && kept.usedAt < old) await end(kept);
  };
  const timer = setInterval(() => void expire(), 60_000).unref();
  const makeRoom = async (principal: string) => {
    const idle = () => [...all.values()].filter(({ isBusy }) => !isBusy).sort((a, b) => a.usedAt - b.usedAt);
    const own = idle().filter((kept) => kept.principal === principal);
    if (own.length >= mostOfOne && own[0]) await end(own[0]);
    const [oldest] = all.size >= mostOfAll ? idle() : [];
    if (oldest) await end(oldest);
  };
  return {
    async add(begun: Omit<OpenUpload, 'id'>): Promise<string> {
      await makeRoom(begun.principal);
      const id = randomBytes(18).toString('base64url');
      all.set(id, { ...begun, id, usedAt: performance.now(), isBusy: false });
      return id;
    },
    find: (id: string): OpenUpload | undefined => all.get(id),
    end,
    /** Two connections that write to one upload would mix their bytes. */
    async exclusively<Result>({ id }: OpenUpload, work: () => Promise<Result>): Promise<Result> {
      const kept = all.get(id);
      if (!kept || kept.isBusy) {
        throw new ArtifactCacheError('SERVER_UPLOAD_OFFSET', 'another connection is writing to this upload', {
          hint: 'wait until it is over, then ask with HEAD where to go on',
        });
      }
      kept.isBusy = true;
      try {
        return await work();
      } finally {
        kept.isBusy = false;
        kept.usedAt = performance.now();
      }
    },
    async close(): Promise<void> {
      clearInterval(timer);
      for (const kept of [...all.values()]) await end(kept);
    },
  };
}
