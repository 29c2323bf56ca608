import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory of its own, removed by `close`. */
export interface TempDir {
  readonly path: string;
  /** A path in it. */
  at(...names: string[]): string;
  close(): Promise<void>;
}

export async function createTempDir(): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), 'waybill-e2e-'));
  return {
    path,
    at: (...names) => join(path, ...names),
    close: () => rm(path, { recursive: true, force: true, maxRetries: 3 }),
  };
}
