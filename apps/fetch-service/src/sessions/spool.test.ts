import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlobExport, SessionRecord } from '@waybill/contracts';
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

  const blobs = {
    async exportMany(files: readonly BlobExport[]) {
      for (const { sha256, path } of files) await writeFile(path, `body of ${sha256}`);
    },
  };
  const spool = () => createSpool(root, blobs);
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

  it('has the description alone of a credential, which is kept nowhere', async () => {
    const made = await source('b');
    const secret = download(session.id, sha('c'));
    await made.store.record([{ ...secret, metadata: { ...secret.metadata, 'not-kept': 'credential' } }]);
    await spool().write(made);
    const names = await readdir(join(root, session.id, 'assets'));
    expect(names.sort()).toEqual([`${sha('b')}.data`, `${sha('b')}.json`, `${sha('c')}.json`].sort());
    const told = await readFile(join(root, session.id, 'assets', `${sha('c')}.json`), 'utf8');
    expect(JSON.parse(told)).toMatchObject({ metadata: { 'not-kept': 'credential' } });
  });

  it.each(['write', 'removeBodies'] as const)('keeps nothing of an attempt that was killed: %s', async (how) => {
    await spool().write(await source('c'));
    // No process has so high a number.
    const [left, namesake, running] = [
      '.assets.4194999-ab12',
      `.assets.${process.pid}-ab12`,
      `.assets.${process.ppid}-ab`,
    ];
    for (const name of [left, namesake, running]) {
      await mkdir(join(root, session.id, name));
      await writeFile(join(root, session.id, name, `${sha('b')}.data`), 'cut sho');
    }
    if (how === 'write') await spool().write(await source('b'));
    else await spool().removeBodies(session.id);
    expect((await readdir(join(root, session.id))).sort()).toEqual([running, 'assets', 'session.json']);
  });

  it('keeps nothing of what earlier versions left when they were killed', async () => {
    const assets = join(root, session.id, 'assets');
    await mkdir(assets, { recursive: true });
    for (const name of [`${sha('b')}.data.123.part`, `${sha('b')}.json`, `${sha('d')}.data`]) {
      await writeFile(join(assets, name), 'cut sho');
    }
    await spool().write(await source('b'));
    expect((await readdir(assets)).sort()).toEqual([`${sha('b')}.data`, `${sha('b')}.json`]);
    expect(JSON.parse(await readFile(join(assets, `${sha('b')}.json`), 'utf8'))).toHaveProperty('metadata');
  });

  describe('of very many artifacts', () => {
    const count = 400;
    const many = async (...more: string[]) => {
      const of = await source(...more);
      const names = Array.from({ length: count }, (_, at) => at.toString(16).padStart(64, '0'));
      await of.store.record(names.map((name) => download(session.id, name)));
      return of;
    };
    const assets = () => join(root, session.id, 'assets');

    it('is written and removed in a thread, piece by piece', async () => {
      let turns = 0;
      let isWriting = true;
      setImmediate(function turn() {
        turns++;
        if (isWriting) setImmediate(turn);
      });
      await spool().write(await many());
      isWriting = false;
      // Others have their turn after each batch at least.
      expect(turns).toBeGreaterThanOrEqual(Math.floor(count / 64));
      const names = await readdir(assets());
      expect(names).toHaveLength(2 * count);
      for (const name of ['0', 'ff', '18f'].map((hex) => hex.padStart(64, '0'))) {
        expect(await readFile(join(assets(), `${name}.data`), 'utf8')).toBe(`body of ${name}`);
        const description = await readFile(join(assets(), `${name}.json`), 'utf8');
        expect(JSON.parse(description)).toMatchObject({ metadata: { sha256: name } });
        expect(description).toMatch(/^\{\n {2}"artifact-metadata-version"[\s\S]*\n\}\n$/);
        expect((await stat(join(assets(), `${name}.json`))).mode & 0o777).toBe(0o644);
      }
      await spool().write(await many());
      expect((await readdir(assets())).sort()).toEqual(names.sort());
      expect((await readdir(join(root, session.id))).sort()).toEqual(['assets', 'session.json']);
      await spool().remove(session.id);
      expect(await readdir(root)).toEqual([]);
    });

    it('has no assets until it has all of them, and is written whole when it is tried again', async () => {
      let left = 200;
      const breaking = createSpool(root, {
        async exportMany(files) {
          left -= files.length;
          if (left < 0) throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
          await blobs.exportMany(files);
        },
      });
      await expect(breaking.write(await many())).rejects.toMatchObject({ code: 'FETCH_SPOOL_WRITE_FAILED' });
      expect(await readdir(join(root, session.id))).toEqual([]);
      await expect(breaking.write(await many())).rejects.toThrow('no room');
      await spool().write(await many());
      expect(await readdir(assets())).toHaveLength(2 * count);
      expect((await readdir(join(root, session.id))).sort()).toEqual(['assets', 'session.json']);
    });

    it('says what is wrong when the thread cannot write', async () => {
      const taken = 'f'.repeat(64);
      const inTheWay = createSpool(root, {
        async exportMany(files) {
          for (const { path } of files) await mkdir(path.replace(/data$/, 'json'), { recursive: true });
        },
      });
      const attempt = inTheWay.write(await many(taken));
      await expect(attempt).rejects.toMatchObject({
        code: 'FETCH_SPOOL_WRITE_FAILED',
        message: expect.stringMatching(/EEXIST|EISDIR/),
      });
    });
  });

  it('writes and removes nothing through a link in the place of a directory', async () => {
    const elsewhere = join(root, 'elsewhere');
    await mkdir(join(elsewhere, 'assets'), { recursive: true });
    await writeFile(join(elsewhere, 'assets', 'precious'), 'kept');
    await symlink(elsewhere, join(root, session.id));
    await expect(spool().write(await source('b'))).rejects.toMatchObject({ code: 'FETCH_SPOOL_WRITE_FAILED' });
    expect(await readdir(join(elsewhere, 'assets'))).toEqual(['precious']);
    await spool().remove(session.id);
    expect(await readdir(join(elsewhere, 'assets'))).toEqual(['precious']);
  });

  it('loses only its bodies when its reports are to stay, and nothing through a link', async () => {
    await spool().removeBodies(session.id);
    await spool().write(await source('b', 'c'));
    await spool().removeBodies(session.id);
    const assets = join(root, session.id, 'assets');
    expect((await readdir(assets)).sort()).toEqual([`${sha('b')}.json`, `${sha('c')}.json`]);
    const elsewhere = join(root, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'precious.data'), 'kept');
    await rm(assets, { recursive: true });
    await symlink(elsewhere, assets);
    await expect(spool().removeBodies(session.id)).rejects.toThrow('no directory but a link');
    expect(await readdir(elsewhere)).toEqual(['precious.data']);
  });

  it.each(['../evil', '.waybill', '..', '/etc', 'a/b', 'A', '', 'a'.repeat(65), 'a\0'])(
    'has no path for the id %j',
    (id) => {
      expect(() => spool().pathOf(id)).toThrow('not a session id');
      expect(() => spool().remove(id)).toThrow('not a session id');
    },
  );
});
