import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildPackageTarball, type RegistryAnswer, startHttpsUpstream } from '@waybill/testkit';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { type NpmScene, openNpmScene } from './harness/npm-scene.js';
import { downloadsOf, pathOf, sha256, verdictOf } from './harness/report.js';

const keep = keepForFile();
let scene: NpmScene;
const leaf = '/leaf/-/leaf-1.0.0.tgz';

beforeAll(async () => {
  scene = await openNpmScene(keep);
});
afterEach(() => scene.tamper(undefined));

type Tamper = (given: RegistryAnswer) => RegistryAnswer;

const evil = buildPackageTarball({
  manifest: { name: 'leaf', version: '1.0.0', license: 'MIT' },
  files: { 'index.js': 'module.exports = "evil";\n' },
});
const changed = ({ body }: RegistryAnswer) => {
  const copy = Buffer.from(body);
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1;
  return copy;
};
const otherDigest: Tamper = (given) => ({
  ...given,
  body: Buffer.from(given.body.toString().replace(/sha512-[^"]{10}/g, 'sha512-AAAAAAAAAA')),
});

/** What a registry, mirror or somebody in between may do; what refuses it; what npm shows. */
const cases: readonly (readonly [string, { on: (path: string) => boolean; tamper: Tamper; reason: RegExp }])[] = [
  [
    'one changed byte',
    {
      on: isLeaf,
      tamper: (given) => ({ ...given, body: changed(given) }),
      reason: /expected leaf@1\.0\.0 with sha512:\w+~?, found sha512:/,
    },
  ],
  [
    'right name and version, other bytes',
    {
      on: isLeaf,
      tamper: (given) => ({ ...given, body: evil }),
      reason: /expected leaf@1\.0\.0 with sha512:\w+~?, found sha512:/,
    },
  ],
  [
    'another package under the name',
    {
      on: isLeaf,
      tamper: (given) => ({ ...given, body: scene.registry.tarball('app', '1.2.0') }),
      reason: /expected leaf@1\.0\.0 with sha512:/,
    },
  ],
  [
    'a page instead of the tarball',
    {
      on: isLeaf,
      tamper: (given) => ({ ...given, headers: { 'content-type': 'text/html' }, body: Buffer.from('<html>') }),
      reason: /expected leaf@1\.0\.0 with sha512:/,
    },
  ],
  [
    'status 203 with foreign bytes',
    {
      on: isLeaf,
      tamper: (given) => ({ ...given, status: 203, body: evil }),
      reason: /expected leaf@1\.0\.0 with sha512:/,
    },
  ],
  [
    'status 206 with foreign bytes',
    {
      on: isLeaf,
      tamper: (given) => ({
        ...given,
        status: 206,
        headers: { 'content-range': `bytes 0-${evil.length - 1}/${evil.length}` },
        body: evil,
      }),
      reason: /206 Partial Content/,
    },
  ],
  [
    'gzip around changed bytes',
    {
      on: isLeaf,
      tamper: (given) => ({
        ...given,
        headers: { ...given.headers, 'content-encoding': 'gzip' },
        body: gzipSync(changed(given)),
      }),
      reason: /expected leaf@1\.0\.0 with sha512:/,
    },
  ],
  [
    'a packument that lists another digest',
    { on: (path) => path === '/leaf/1.0.0', tamper: otherDigest, reason: /expected leaf@1\.0\.0 with sha512:00/ },
  ],
  [
    'a packument without digest',
    {
      on: (path) => path === '/leaf/1.0.0',
      tamper: (given) => ({
        ...given,
        body: Buffer.from(
          given.body
            .toString()
            .replace(/"(integrity|shasum)":"[^"]*",?/g, '')
            .replace(',}', '}'),
        ),
      }),
      reason: /no digest for leaf@1\.0\.0/,
    },
  ],
];

function isLeaf(path: string): boolean {
  return path === leaf;
}

describe('a tarball that is not what the registry lists', () => {
  it.each(cases)(
    '%s: refused, npm says why, permissive records the same (promises 1, 4)',
    async (_name, { on, tamper, reason }) => {
      const { daemon, project, origin } = scene;
      const sent: Buffer[] = [];
      scene.tamper((request, given) => {
        const path = request.url ?? '';
        const answer = on(path) ? tamper(given) : given;
        if (isLeaf(path)) sent.push(answer.body);
        return answer;
      });

      const strict = await daemon.createSession('strict');
      const npm = await project.run(strict, 'npm', ['ci', '--no-audit']);
      expect(npm.code).not.toBe(0);
      expect(npm.stderr).toMatch(/npm error (code E\d+|\d{3} )/);
      expect(npm.stderr).toMatch(reason);
      const strictReport = await strict.finish();
      const [refusal, ...others] = [...strictReport.refusals, ...strictReport.failures].filter(
        ({ phase }) => phase !== 'client',
      );
      expect(others).toEqual([]);
      expect(refusal).toMatchObject({ url: `${origin}${leaf}`, delivered: false });
      expect(refusal?.reason).toMatch(reason);
      expect(
        downloadsOf(strictReport).filter(({ url, result }) => pathOf(url) === leaf && result === 'Approved'),
      ).toEqual([]);

      const permissive = await daemon.createSession('permissive');
      const got = await curl(permissive, `${origin}${leaf}`);
      expect(got.code, got.stderr).toBe(0);
      expect(got.body.equals(sent.at(-1) as Buffer)).toBe(true);
      const permissiveReport = await permissive.finish();
      expect(permissiveReport.refusals).toMatchObject([{ delivered: true }]);
      // Strict does not even read a body that comes with 206.
      const known = { sha256: sha256(got.body), size: got.body.length };
      expect(permissiveReport.refusals.map(verdictOf)).toEqual(refusal ? [{ ...verdictOf(refusal), ...known }] : []);
      expect(downloadsOf(permissiveReport).find(({ url }) => pathOf(url) === leaf)).toMatchObject({
        result: 'Rejected',
      });
    },
  );

  it('an honest tarball in gzip passes: what it decodes to is what is listed', async () => {
    scene.tamper((request, given) =>
      isLeaf(request.url ?? '')
        ? { ...given, headers: { ...given.headers, 'content-encoding': 'gzip' }, body: gzipSync(given.body) }
        : given,
    );
    const session = await scene.daemon.createSession('strict');
    const npm = await scene.project.run(session, 'npm', ['ci', '--no-audit']);
    expect(npm, npm.stderr).toMatchObject({ code: 0 });
    expect(await scene.project.read('node_modules/leaf/index.js')).toBe('module.exports = "leaf";\n');
  });

  it('a redirect to another host: the client goes there and is refused (promise 1)', async () => {
    const elsewhere = keepForTest(
      await startHttpsUpstream((_request, response) => void response.end(evil), { ca: scene.ca }),
    );
    scene.tamper((request, given) =>
      isLeaf(request.url ?? '')
        ? { status: 302, headers: { location: `${elsewhere.url}/leaf.tgz` }, body: Buffer.from('moved') }
        : given,
    );
    const session = await scene.daemon.createSession('strict');
    await rm(join(scene.project.dir, 'node_modules'), { recursive: true, force: true });
    const npm = await scene.project.run(session, 'npm', ['ci', '--no-audit']);
    expect(npm.code).not.toBe(0);
    expect(npm.stderr).toContain(`no inspector recognises ${elsewhere.url}/leaf.tgz`);
    expect(elsewhere.requests).toEqual([]);
    const report = await session.finish();
    expect(report.refusals).toMatchObject([{ url: `${elsewhere.url}/leaf.tgz`, phase: 'request' }]);
    expect(report.responses).toMatchObject([{ 'status-code': 302, note: 'body of status 302 withheld' }]);
  });
});
