import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/** A fresh folder for each test of the file; call the result for a path in it. */
export function useFolder(): (...names: string[]) => string {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-client-setup-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  return (...names) => join(dir, ...names);
}
