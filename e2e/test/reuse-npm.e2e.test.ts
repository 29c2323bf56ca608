import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { keepForFile } from './harness/keep.js';
import { type NpmScene, openNpmScene } from './harness/npm-scene.js';
import { chainsOf, downloadsOf, pathOf, sha256 } from './harness/report.js';

const keep = keepForFile();
let scene: NpmScene;

beforeAll(async () => {
  scene = await openNpmScene(keep, { reuse: 'on' });
});
beforeEach(() => scene.project.clean());

/** `npm ci` in a session of its own, and what upstream saw of it. */
async function install(fields: Record<string, unknown> = {}) {
  const { daemon, project, registry } = scene;
  const before = registry.requests.length;
  const session = await daemon.createSession('strict', fields);
  const npm = await project.run(session, 'npm', ['ci', '--no-audit']);
  const requests = registry.requests.slice(before);
  return { npm, report: await session.finish(), tarballs: requests.filter((line) => line.endsWith('.tgz')), requests };
}

describe('the second session of a project', () => {
  it('asks upstream for no tarball; the report says so and names the same bytes, origins and verdicts', async () => {
    const first = await install();
    expect(first.npm, first.npm.stderr).toMatchObject({ code: 0 });
    expect(first.tarballs.length).toBeGreaterThan(0);
    await scene.project.clean();
    const second = await install();
    expect(second.npm, second.npm.stderr).toMatchObject({ code: 0 });
    expect(second.tarballs).toEqual([]);
    expect(await scene.project.read('node_modules/leaf/index.js')).toBe('module.exports = "leaf";\n');

    const { report } = second;
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const delivered = downloadsOf(report).filter(({ delivery }) => delivery !== 'companion');
    expect(delivered.map(({ delivery }) => delivery)).toEqual(delivered.map(() => 'reused'));
    expect(delivered.every((download) => Object.keys(download['response-header']).length === 0)).toBe(true);
    const companions = downloadsOf(report).filter(({ delivery }) => delivery === 'companion');
    expect(companions.map((download) => download['status-code'])).toEqual(companions.map(() => 304));
    const facts = (of: typeof report) =>
      of.artifacts.map(({ metadata, result, ...artifact }) => [
        metadata,
        result,
        chainsOf({ metadata, result, ...artifact }),
      ]);
    expect(facts(report)).toEqual(facts(first.report));
  });

  it('also after a restart, and after a kill', async () => {
    expect((await install()).npm).toMatchObject({ code: 0 });
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      // What is remembered is written twice a second.
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      await scene.daemon.kill(signal);
      await scene.daemon.start();
      await scene.project.clean();
      const again = await install();
      expect(again.npm, again.npm.stderr).toMatchObject({ code: 0 });
      expect(again.tarballs).toEqual([]);
    }
  });

  it('fetches as ever when the session turns reuse off', async () => {
    expect((await install()).npm).toMatchObject({ code: 0 });
    await scene.project.clean();
    const config = { npm: { registries: { default: { url: `${scene.origin}/` } } }, limits: { reuse: 'off' } };
    const plain = await install({ 'inspectors-configuration': config });
    expect(plain.npm, plain.npm.stderr).toMatchObject({ code: 0 });
    expect(plain.tarballs.length).toBeGreaterThan(0);
    expect(downloadsOf(plain.report).some(({ delivery }) => delivery === 'reused')).toBe(false);
  });

  it('a body that was tampered with on the disk is fetched again, never delivered', async () => {
    expect((await install()).npm).toMatchObject({ code: 0 });
    expect(await spoil(scene.daemon.dir)).toBeGreaterThan(0);
    await scene.daemon.kill('SIGTERM');
    await scene.daemon.start();
    await scene.project.clean();
    const again = await install();
    expect(again.npm, again.npm.stderr).toMatchObject({ code: 0 });
    expect(again.tarballs.length).toBeGreaterThan(0);
    expect(await scene.project.read('node_modules/leaf/index.js')).toBe('module.exports = "leaf";\n');
    expect([...again.report.refusals, ...again.report.failures]).toEqual([]);
  });

  it('a session whose registry is another one gets nothing of it', async () => {
    expect((await install()).npm).toMatchObject({ code: 0 });
    const { daemon, registry, origin } = scene;
    const before = registry.requests.length;
    const config = { npm: { registries: { other: { url: 'https://other.registry.example/' } } } };
    const session = await daemon.createSession('strict', { 'inspectors-configuration': config });
    await scene.project.clean();
    const npm = await scene.project.run(session, 'npm', ['ci', '--no-audit']);
    expect(npm.code).not.toBe(0);
    const report = await session.finish();
    expect(report.artifacts).toEqual([]);
    expect(report.refusals.every(({ url }) => url.startsWith(origin))).toBe(true);
    expect(registry.requests.length).toBe(before);
  });

  it('what the registry lists with another digest now is not served from before', async () => {
    expect((await install()).npm).toMatchObject({ code: 0 });
    const { registry } = scene;
    const [name, version] = ['leaf', '1.0.0'] as const;
    scene.tamper((request, given) => {
      if (request.url !== `/${name}/${version}`) return given;
      const document = JSON.parse(given.body.toString() || '{}');
      const other = `sha512-${Buffer.alloc(64, 7).toString('base64')}`;
      const body = Buffer.from(
        JSON.stringify({ ...document, name, version, dist: { ...document.dist, integrity: other } }),
      );
      return { status: 200, headers: { 'content-type': 'application/json', etag: '"new"' }, body };
    });
    await scene.project.clean();
    const again = await install();
    scene.tamper(undefined);
    expect(again.npm.code).not.toBe(0);
    expect(again.tarballs.map((line) => pathOf(`https://x${line.split(' ')[1]}`))).toContain('/leaf/-/leaf-1.0.0.tgz');
    const leaf = sha256(registry.tarball(name, version));
    expect(again.report.artifacts.find(({ metadata }) => metadata.sha256 === leaf)?.result).toBe('Rejected');
  });
});

const gzipMagic = Buffer.from([0x1f, 0x8b, 0x08]);

/** Changes bytes of all files of the blob store from their first tarball on. @returns how many files */
async function spoil(dir: string): Promise<number> {
  const blobs = join(dir, 'spool', '.waybill', 'blobs');
  let spoiled = 0;
  for (const entry of await readdir(blobs, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path);
    const at = bytes.indexOf(gzipMagic);
    if (at === -1) continue;
    for (let i = at + 40; i < bytes.length; i += 97) bytes[i] = (bytes[i] ?? 0) ^ 0x55;
    await writeFile(path, bytes);
    spoiled += 1;
  }
  return spoiled;
}
