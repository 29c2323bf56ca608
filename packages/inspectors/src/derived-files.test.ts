import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createDerivedFiles } from './derived-files.js';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'waybill-derived-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it('removes what killed processes left on its way, and nothing of those that run', async () => {
  const gone = spawnSync('true').pid;
  const names = [`aa.${gone}-1.part`, `bb.${process.pid}-1.part`, 'cc.1.part', 'dd.2.part'];
  for (const name of names) await writeFile(join(dir, name), '');
  const longAgo = new Date(Date.now() - 2 * 3_600_000);
  await utimes(join(dir, 'dd.2.part'), longAgo, longAgo);
  const files = createDerivedFiles({ dir, maxBytes: 1000 });
  await files.write('key', Buffer.from('value'));
  expect((await readdir(dir)).filter((name) => name.endsWith('.part')).sort()).toEqual([
    `bb.${process.pid}-1.part`,
    'cc.1.part',
  ]);
  expect(Buffer.from((await files.read('key')) ?? []).toString()).toBe('value');
});
