import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  checkRootCa,
  createRootCa,
  loadOrCreateRootCa,
  loadRootCa,
  type RootCaFiles,
  rootCaFilesIn,
  rotateRootCa,
  saveRootCa,
} from '../src/index.js';

let dir: string;
let files: RootCaFiles;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'waybill-ca-'));
  files = rootCaFilesIn(join(dir, 'ca'));
});
afterEach(() => rm(dir, { recursive: true }));

const mode = async (path: string) => (await stat(path)).mode & 0o777;
const clockAt = (time: string) => ({ now: () => new Date(time) });

describe('loadOrCreateRootCa', () => {
  it('creates once and loads from then on', async () => {
    const root = await loadOrCreateRootCa({ dir: join(dir, 'ca') });
    expect(await readFile(files.certFile, 'utf8')).toBe(root.certificatePem);
    expect((await loadOrCreateRootCa({ dir: join(dir, 'ca') })).fingerprintSha256).toBe(root.fingerprintSha256);
    expect(await readdir(join(dir, 'ca'))).toEqual(['root-ca.key.pem', 'root-ca.pem']);
    expect(checkRootCa(root)).toEqual([]);
  });

  it('keeps the key to its owner', async () => {
    await loadOrCreateRootCa({ dir: join(dir, 'ca') });
    expect([await mode(files.keyFile), await mode(files.certFile), await mode(join(dir, 'ca'))]).toEqual([
      0o600, 0o644, 0o700,
    ]);
  });

  it('tightens the mode of a key in a folder of ours', async () => {
    await loadOrCreateRootCa({ dir: join(dir, 'ca') });
    await chmod(files.keyFile, 0o644);
    const root = await loadOrCreateRootCa({ dir: join(dir, 'ca') });
    expect(await mode(files.keyFile)).toBe(0o600);
    expect(checkRootCa(root)).toEqual([]);
  });

  it('leaves the mode of an operator file, and says so', async () => {
    await loadOrCreateRootCa(files);
    await chmod(files.keyFile, 0o644);
    const root = await loadOrCreateRootCa(files);
    expect(await mode(files.keyFile)).toBe(0o644);
    expect(checkRootCa(root).map(({ problem }) => problem)).toEqual(['key-file-readable']);
  });

  it('gives all of several processes that start at once the same root', async () => {
    const roots = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateRootCa({ dir: join(dir, 'ca') })));
    expect(new Set(roots.map(({ fingerprintSha256 }) => fingerprintSha256)).size).toBe(1);
    expect(await readdir(join(dir, 'ca'))).toEqual(['root-ca.key.pem', 'root-ca.pem']);
  });

  it('makes the certificate of a key whose creator was killed', async () => {
    const { keyPem } = await loadOrCreateRootCa({ dir: join(dir, 'ca') });
    await rm(files.certFile);
    const root = await loadOrCreateRootCa({ dir: join(dir, 'ca') });
    expect(root.keyPem).toBe(keyPem);
    expect(root.isCa).toBe(true);
  });

  it('removes what killed processes left on their way to it, and nothing of those that run', async () => {
    const gone = spawnSync('true').pid;
    await loadOrCreateRootCa({ dir });
    const names = [
      `root-ca.key.pem.${process.pid}-0123456789ab.tmp`,
      'root-ca.key.pem.old',
      'other.1-0123456789ab.tmp',
    ];
    for (const name of [...names, `root-ca.key.pem.${gone}-0123456789ab.tmp`, `root-ca.pem.${gone}-0123456789ab.tmp`])
      await writeFile(join(dir, name), '');
    await loadOrCreateRootCa({ dir });
    expect((await readdir(dir)).sort()).toEqual([...names, 'root-ca.key.pem', 'root-ca.pem'].sort());
  });

  it('replaces an expired root in a folder of ours', async () => {
    const old = await loadOrCreateRootCa({ dir: join(dir, 'ca'), days: 10, clock: clockAt('2026-01-01T00:00:00Z') });
    const clock = clockAt('2026-01-12T00:00:00Z');
    const root = await loadOrCreateRootCa({ dir: join(dir, 'ca'), clock });
    expect(root.fingerprintSha256).not.toBe(old.fingerprintSha256);
    expect(checkRootCa(root, { clock })).toEqual([]);
  });

  it('never replaces a root of the operator', async () => {
    const old = await loadOrCreateRootCa({ ...files, days: 10, clock: clockAt('2026-01-01T00:00:00Z') });
    const root = await loadOrCreateRootCa({ ...files, clock: clockAt('2027-01-01T00:00:00Z') });
    expect(root.fingerprintSha256).toBe(old.fingerprintSha256);
  });

  it.each(['certFile', 'keyFile'] as const)(
    'names a missing %s of the operator instead of making a new pair',
    async (which) => {
      const { fingerprintSha256 } = await loadOrCreateRootCa(files);
      await rename(files[which], `${files[which]}.moved`);
      await expect(loadOrCreateRootCa(files)).rejects.toMatchObject({
        code: 'CA_FILE_MISSING',
        message: expect.stringContaining(files[which]),
      });
      await rename(`${files[which]}.moved`, files[which]);
      expect((await loadRootCa(files)).fingerprintSha256).toBe(fingerprintSha256);
    },
  );

  it('says when the folder cannot be made', async () => {
    await writeFile(join(dir, 'file'), '');
    await expect(loadOrCreateRootCa({ dir: join(dir, 'file', 'ca') })).rejects.toMatchObject({
      code: 'CA_FILE_UNWRITABLE',
    });
  });
});

describe('loadRootCa', () => {
  it('tells an unreadable file from a missing one', async () => {
    await loadOrCreateRootCa(files);
    await expect(loadRootCa({ ...files, keyFile: dir })).rejects.toMatchObject({ code: 'CA_FILE_UNREADABLE' });
    await expect(loadRootCa({ ...files, keyFile: join(dir, 'none') })).rejects.toMatchObject({
      code: 'CA_FILE_MISSING',
    });
  });

  it('refuses a key that does not fit', async () => {
    await loadOrCreateRootCa(files);
    await writeFile(files.keyFile, (await createRootCa()).keyPem);
    await expect(loadRootCa(files)).rejects.toMatchObject({
      code: 'CA_KEY_MISMATCH',
      message: expect.stringContaining(files.keyFile),
    });
  });
});

describe('rotateRootCa', () => {
  it('replaces both files', async () => {
    const old = await loadOrCreateRootCa({ dir: join(dir, 'ca') });
    const root = await rotateRootCa({ dir: join(dir, 'ca'), commonName: 'Second' });
    expect(root.subject).toBe('CN=Second');
    expect(root.keyPem).not.toBe(old.keyPem);
    expect((await loadRootCa(files)).fingerprintSha256).toBe(root.fingerprintSha256);
    expect([await mode(files.keyFile), await mode(files.certFile)]).toEqual([0o600, 0o644]);
    expect(await readdir(join(dir, 'ca'))).toEqual(['root-ca.key.pem', 'root-ca.pem']);
  });

  it('is completed when it was killed between its two renames', async () => {
    const old = await loadOrCreateRootCa({ dir: join(dir, 'ca') });
    const next = await rotateRootCa({ dir: join(dir, 'ca') });
    await writeFile(`${files.keyFile}.new`, next.keyPem, { mode: 0o600 });
    await writeFile(files.keyFile, old.keyPem);
    expect((await loadRootCa(files)).fingerprintSha256).toBe(next.fingerprintSha256);
    expect(await readFile(files.keyFile, 'utf8')).toBe(next.keyPem);
    expect(await mode(files.keyFile)).toBe(0o600);
  });

  it('is not there when it was killed before the first rename', async () => {
    const old = await loadOrCreateRootCa({ dir: join(dir, 'ca') });
    const next = await createRootCa();
    await writeFile(`${files.keyFile}.new`, next.keyPem);
    await writeFile(`${files.certFile}.new`, next.certificatePem);
    expect((await loadRootCa(files)).fingerprintSha256).toBe(old.fingerprintSha256);
    await saveRootCa(next, files);
    expect((await loadRootCa(files)).fingerprintSha256).toBe(next.fingerprintSha256);
  });
});
