import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionRecord } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { download, memoryStore, sha } from '../../test/fakes.js';
import { createSpool } from './spool.js';

const session: SessionRecord = {
  id: 'a'.repeat(32),
  tokenDigest: sha('0'),
  policy: 'strict',
  state: 'ended',
  createdAt: new Date('2026-01-02T03:00:00Z'),
  expiresAt: new Date('2026-01-02T09:00:00Z'),
  configuration: {},
  secretPatterns: [],
};

describe('the spool of a session', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'waybill-spool-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const spool = () => createSpool(root, { exportTo: (sha256, path) => writeFile(path, `body of ${sha256}`) });
  const source = async (...names: string[]) => {
    const store = memoryStore();
    await store.record(names.map((name) => download(session.id, sha(name))));
    return { session, store, inspectorIds: [], spoolPath: join(root, session.id), now: new Date() };
  };

  it('has a body and a description of each artifact', async () => {
    await spool().write(await source('b', 'c'));
    const assets = join(root, session.id, 'assets');
    expect((await readdir(assets)).sort()).toEqual(
      ['b', 'c'].flatMap((name) => [`${sha(name)}.data`, `${sha(name)}.json`]),
    );
    expect(await readFile(join(assets, `${sha('b')}.data`), 'utf8')).toBe(`body of ${sha('b')}`);
    expect(JSON.parse(await readFile(join(root, session.id, 'session.json'), 'utf8'))).toMatchObject({
      'session-id': session.id,
      state: 'ended',
    });
  });

  it('keeps nothing of an attempt that was killed', async () => {
    const assets = join(root, session.id, 'assets');
    await mkdir(assets, { recursive: true });
    for (const name of [`${sha('b')}.data.123.part`, `${sha('b')}.json`, `${sha('d')}.data`]) {
      await writeFile(join(assets, name), 'cut sho');
    }
    await spool().write(await source('b'));
    expect((await readdir(assets)).sort()).toEqual([`${sha('b')}.data`, `${sha('b')}.json`]);
    expect(JSON.parse(await readFile(join(assets, `${sha('b')}.json`), 'utf8'))).toHaveProperty('metadata');
  });
});
