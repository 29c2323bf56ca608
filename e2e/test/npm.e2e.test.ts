import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { keepForFile, keepForTest } from './harness/keep.js';
import { createNpmProject } from './harness/npm-project.js';
import { integrityOf, type NpmScene, openNpmScene } from './harness/npm-scene.js';
import { artifactAt, chainsOf, downloadsOf, pathOf, sha256 } from './harness/report.js';
import { createTempDir } from './harness/temp-dir.js';

const keep = keepForFile();
let scene: NpmScene;

beforeAll(async () => {
  scene = await openNpmScene(keep);
});

beforeEach(() => scene.project.clean());

const tarballs = {
  '/@scope/lib/-/lib-2.1.0.tgz': ['@scope/lib', '2.1.0'],
  '/app/-/app-1.2.0.tgz': ['app', '1.2.0'],
  '/leaf/-/leaf-1.0.0.tgz': ['leaf', '1.0.0'],
  '/leaf/-/leaf-1.1.0.tgz': ['leaf', '1.1.0'],
} as const;

describe('npm in a strict session', () => {
  it('ci: the report lists the tarballs of the lock file with their digests, and nothing else (promises 1, 2)', async () => {
    const { daemon, project, registry, origin } = scene;
    const before = registry.requests.length;
    const session = await daemon.createSession('strict');
    const npm = await project.run(session, 'npm', ['ci']);
    expect(npm, npm.stderr).toMatchObject({ code: 0 });
    expect(await project.read('node_modules/leaf/index.js')).toBe('module.exports = "leaf";\n');

    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const downloads = downloadsOf(report);
    expect(downloads.map(({ method, url }) => `${method} ${pathOf(url)}`).sort()).toEqual(
      registry.requests.slice(before).sort(),
    );
    expect(downloads.every(({ result, artifact }) => result === 'Approved' && artifact.result === 'Approved')).toBe(
      true,
    );

    const reported = downloads.filter(({ url }) => url.endsWith('.tgz'));
    const locked = await project.lockedTarballs();
    expect(locked.map(({ url }) => url)).toEqual(Object.keys(tarballs).map((path) => origin + path));
    expect(reported.map(({ url, artifact: { metadata } }) => [url, metadata.sha256])).toEqual(
      Object.entries(tarballs).map(([path, [name, version]]) => [
        origin + path,
        sha256(registry.tarball(name, version)),
      ]),
    );
    for (const { url, integrity } of locked) {
      const { metadata } = artifactAt(report, url);
      expect(`sha512-${Buffer.from(metadata.sha512, 'hex').toString('base64')}`).toBe(integrity);
    }
  });

  it('ci: a tarball is vouched for by its document, which comes from the configured origin', async () => {
    const { daemon, project, origin } = scene;
    const session = await daemon.createSession('strict');
    const npm = await project.run(session, 'npm', ['ci']);
    expect(npm, npm.stderr).toMatchObject({ code: 0 });
    const report = await session.finish();
    const { host } = new URL(origin);
    for (const [path, [name, version]] of Object.entries(tarballs)) {
      const tarball = artifactAt(report, path);
      expect(chainsOf(tarball)).toEqual([`npm.packument:packument of ${name} ← origin:${host}`]);
      expect(tarball.metadata).toMatchObject({ name, version, license: 'MIT', type: 'application/x.npm.package' });
      const document = report.artifacts.find(({ metadata }) => metadata.sha256 === tarball['vouched-by'][0]?.[0]?.id);
      expect(document?.metadata).toMatchObject({ name, version, type: 'application/x.npm.packument' });
      expect(document?.['response-inspection']['npm.packument']?.opinion).toBe('Approved');
    }
  });

  it('ci with its lock file in the session: no packument is asked for, and the lock file vouches', async () => {
    const { daemon, project, registry } = scene;
    const content = await project.read('package-lock.json');
    const fields = { 'inspectors-configuration': { 'lock-files': [{ name: 'package-lock.json', content }] } };
    const session = await daemon.createSession('strict', fields);
    const before = registry.requests.length;
    const npm = await project.run(session, 'npm', ['ci', '--no-audit']);
    expect(npm, npm.stderr).toMatchObject({ code: 0 });
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    expect(registry.requests.slice(before).sort()).toEqual(Object.keys(tarballs).map((path) => `GET ${path}`));
    for (const [path, [name, version]] of Object.entries(tarballs)) {
      expect(chainsOf(artifactAt(report, path))).toEqual([`digest:package-lock.json: ${name}@${version}`]);
    }
  });

  it('ci with a lock file in the session that pins other bytes: refused', async () => {
    const { daemon, project, registry } = scene;
    const text = await project.read('package-lock.json');
    const content = text.replace(integrityOf(registry.tarball('leaf', '1.0.0')), integrityOf(Buffer.from('other')));
    expect(content).not.toBe(text);
    const fields = { 'inspectors-configuration': { 'lock-files': [{ name: 'package-lock.json', content }] } };
    const session = await daemon.createSession('strict', fields);
    expect((await project.run(session, 'npm', ['ci', '--no-audit'])).code).not.toBe(0);
    const { refusals } = await session.finish();
    expect(refusals.map(({ url }) => pathOf(url))).toContain('/leaf/-/leaf-1.0.0.tgz');
  });

  it('a lock file that cannot be read is an error of the session, with its place', async () => {
    const fields = { 'inspectors-configuration': { 'lock-files': [{ name: 'yarn.lock', content: '__metadata:' }] } };
    await expect(scene.daemon.createSession('strict', fields)).rejects.toThrow(
      /lock-files\[0\]\.content.*yarn 2 or later/s,
    );
  });

  it('install: packuments that the client reads vouch for its tarballs', async () => {
    const { daemon, project, origin, registry } = scene;
    const session = await daemon.createSession('strict');
    const npm = await project.run(session, 'npm', ['install', '--no-package-lock', '--force', '--no-audit']);
    expect(npm, npm.stderr).toMatchObject({ code: 0 });
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const { host } = new URL(origin);
    for (const [path, [name, version]] of Object.entries(tarballs)) {
      const tarball = artifactAt(report, path);
      expect(tarball.metadata.sha256).toBe(sha256(registry.tarball(name, version)));
      expect(chainsOf(tarball)).toEqual([`npm.packument:packument of ${name} ← origin:${host}`]);
    }
    expect(downloadsOf(report).some(({ delivery }) => delivery === 'companion')).toBe(false);
  });

  it('pnpm install', async () => {
    const { daemon, project, registry } = scene;
    const session = await daemon.createSession('strict');
    const pnpm = await project.run(session, 'pnpm', ['install', '--no-lockfile', '--ignore-workspace', '--force']);
    expect(pnpm, pnpm.stdout + pnpm.stderr).toMatchObject({ code: 0 });
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const reported = downloadsOf(report).filter(({ url }) => url.endsWith('.tgz'));
    expect(reported.map(({ url, artifact }) => [pathOf(url), artifact.metadata.sha256])).toEqual(
      Object.entries(tarballs).map(([path, [name, version]]) => [path, sha256(registry.tarball(name, version))]),
    );
  });

  it.each([
    ['yarn 1', 'yarn-classic/bin/yarn.js', ['install', '--no-lockfile', '--non-interactive']],
    ['yarn 4', '@yarnpkg/cli-dist/bin/yarn.js', ['install', '--no-immutable']],
  ])('%s install', async (_name, program, args) => {
    const { daemon, registry, origin } = scene;
    const own = keepForTest(await createNpmProject({ registry: `${origin}/`, dependencies: { app: '^1.0.0' } }));
    const session = await daemon.createSession('strict');
    // Yarn 4 reads neither the usual variables nor .npmrc.
    const settings = {
      ...{
        YARN_NPM_REGISTRY_SERVER: origin,
        YARN_HTTPS_PROXY: session.proxyUrl,
        YARN_HTTPS_CA_FILE_PATH: session.caFile,
      },
      ...{ YARN_ENABLE_TELEMETRY: '0', YARN_NODE_LINKER: 'node-modules', YARN_ENABLE_GLOBAL_CACHE: 'false' },
      YARN_CACHE_FOLDER: join(own.dir, 'yarn-cache'),
    };
    const variables = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    const file = fileURLToPath(new URL(`../node_modules/${program}`, import.meta.url));
    const yarn = await own.run(session, 'env', [...variables, process.execPath, file, ...args]);
    expect(yarn, yarn.stdout + yarn.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(await own.read('node_modules/app/package.json'))).toMatchObject({ version: '1.2.0' });
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const reported = downloadsOf(report).filter(({ url }) => url.endsWith('.tgz'));
    expect(reported.map(({ url, artifact }) => [decodeURIComponent(pathOf(url)), artifact.metadata.sha256])).toEqual(
      Object.entries(tarballs).map(([path, [name, version]]) => [path, sha256(registry.tarball(name, version))]),
    );
  });

  it.each([
    ['empty', 0, []],
    ['refuse', 0, ['request']],
  ] as const)(
    'npm.audit %s: npm ci goes through, and the registry hears nothing of it',
    async (audit, code, phases) => {
      const { daemon, project, registry, origin } = scene;
      const npm = { registries: { default: { url: `${origin}/` } }, audit };
      const session = await daemon.createSession('strict', { 'inspectors-configuration': { npm } });
      const before = registry.requests.length;
      const ran = await project.run(session, 'npm', ['ci', '--audit']);
      expect(ran, ran.stderr).toMatchObject({ code });
      expect(registry.requests.slice(before).filter((line) => line.startsWith('POST'))).toEqual([]);
      const report = await session.finish();
      expect(report.refusals.map(({ phase }) => phase)).toEqual(phases);
      const asked = downloadsOf(report).filter(({ method }) => method === 'POST');
      expect(asked.map(({ delivery, result }) => [delivery, result])).toEqual(
        audit === 'empty' ? [['answered', 'Approved']] : [],
      );
      if (audit === 'empty') {
        expect(ran.stdout).toContain('found 0 vulnerabilities');
        expect(asked[0]?.artifact['vouched-by']).toMatchObject([[{ kind: 'origin', id: 'npm.audit' }]]);
      }
    },
  );

  it('a package that the registry does not have is npm’s own error, and in the report', async () => {
    const { daemon, project } = scene;
    const session = await daemon.createSession('strict');
    const npm = await project.run(session, 'npm', ['view', 'no-such-package']);
    expect(npm.code).not.toBe(0);
    expect(npm.stderr).toContain('E404');
    const report = await session.finish();
    expect(report.responses).toMatchObject([{ 'status-code': 404, note: 'body of status 404 withheld' }]);
  });

  it('a registry that is not listed is refused, and npm says so (promise 1)', async () => {
    const { daemon, project, registry } = scene;
    const session = await daemon.createSession('strict');
    const other = `http://127.0.0.1:${registry.port}/`;
    const before = registry.requests.length;
    const npm = await project.run(session, 'npm', ['view', 'leaf', `--registry=${other}`]);
    expect(npm.code).not.toBe(0);
    expect(npm.stderr).toContain('download authorization denied: request rejected by inspectors');
    expect(registry.requests.length).toBe(before);
    const report = await session.finish();
    expect(report.refusals).toMatchObject([{ url: `${other}leaf`, phase: 'request', delivered: false }]);
  });

  it('publishing is refused before anything is sent', async () => {
    const { daemon, project, registry, origin } = scene;
    const session = await daemon.createSession('strict');
    const mine = keepForTest(await createTempDir());
    await writeFile(mine.at('package.json'), '{"name":"leaf","version":"9.0.0"}');
    const token = `--//${new URL(origin).host}/:_authToken=x`;
    const npm = await project.run(session, 'npm', ['publish', '--no-provenance', token, mine.path]);
    expect(npm.code).not.toBe(0);
    expect(npm.stderr).toContain('PUT changes leaf in the registry');
    const report = await session.finish();
    expect(report.refusals).toMatchObject([{ method: 'PUT', phase: 'request', inspector: 'npm.packument' }]);
    expect(registry.requests.filter((line) => line.startsWith('PUT'))).toEqual([]);
  });

  it('the lock file is what a direct download has', async () => {
    for (const { url, integrity } of await scene.project.lockedTarballs()) {
      const [name, version] = tarballs[pathOf(url) as keyof typeof tarballs];
      const direct = await fetch(`${scene.registry.url}${pathOf(url).slice(1)}`);
      const bytes = Buffer.from(await direct.arrayBuffer());
      expect(integrityOf(bytes)).toBe(integrity);
      expect(bytes.equals(scene.registry.tarball(name, version))).toBe(true);
    }
  });
});
