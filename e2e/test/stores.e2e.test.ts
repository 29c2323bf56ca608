import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import {
  buildTgz,
  createThrowawayCa,
  type GitServer,
  type HttpUpstream,
  startGitServer,
  startHttpsUpstream,
} from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile } from './harness/keep.js';
import { artifactAt, chainsOf, sha256 } from './harness/report.js';
import { type Ran, run, sessionEnv } from './harness/run.js';
import type { Session } from './harness/session.js';
import { createTempDir, type TempDir } from './harness/temp-dir.js';
import { startTlsFront } from './harness/tls-front.js';

const keep = keepForFile();
let dir: TempDir;
let daemon: Daemon;
let upstream: HttpUpstream;
let git: GitServer;
let gitOrigin: string;
/** What the upstream has, by path. */
const files = new Map<string, Buffer>();
const project = 'name: sample\nversion: "1.5"\nsummary: A sample\nlicense: Apache-2.0\n';

beforeAll(async () => {
  dir = keep(await createTempDir());
  const ca = await createThrowawayCa();
  upstream = keep(
    await startHttpsUpstream(
      (request, response) => {
        const found = files.get(new URL(request.url ?? '/', 'https://x.example').pathname);
        if (found) response.end(found);
        else response.writeHead(404).end();
      },
      { ca },
    ),
  );
  const front = keep(await startTlsFront(ca));
  gitOrigin = front.url;
  git = keep(await startGitServer());
  front.forwardTo(git.port);
  const gitUrls = { urls: [`${gitOrigin}/**`] };
  const inspectors = {
    git: gitUrls,
    crafts: gitUrls,
    go: { imports: ['https://mod.example:443/**'] },
    store: { urls: [`${upstream.url}/v2/**`] },
    bldbin: { urls: [`${upstream.url}/bins/**`] },
    lxd: { servers: { images: { url: `${upstream.url}/images` } } },
    limits: { reuse: 'off' },
  };
  daemon = keep(await startDaemon({ upstreamCa: ca, inspectors }));
});

/** One bit in the middle is another. */
function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = copy.length >> 1;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

let homes = 0;
async function clone(session: Session, name: string): Promise<Ran> {
  const home = dir.at(`home-${homes++}`);
  await mkdir(home);
  const env = { ...sessionEnv(session), HOME: home, GIT_CONFIG_GLOBAL: '/dev/null' };
  return run('git', ['clone', '--quiet', '--depth=1', `${gitOrigin}/${name}.git`, dir.at(`clone-${homes}`)], { env });
}

describe('projects in what git fetched, in a strict session', () => {
  it.each([
    ['snapcraft', 'snap/snapcraft.yaml'],
    ['rockcraft', 'rockcraft.yaml'],
  ])('a project of %s is named in the report', async (tool, path) => {
    const repository = await git.createRepository(`${tool}.git`);
    const commit = await repository.commit({ files: { [path]: project } });
    const session = await daemon.createSession('strict');
    const ran = await clone(session, tool);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const found = report.artifacts.find(({ metadata }) => metadata.type === `application/x.canonical.${tool}`);
    expect(found).toMatchObject({
      result: 'Approved',
      metadata: { name: 'sample', version: '1.5', license: 'Apache-2.0', 'content-id': commit },
    });
    expect(Object.keys(found?.['response-inspection'] ?? {}).sort()).toEqual(
      [`craft.${tool}`, 'git.upload-pack', 'go.module.git'].sort(),
    );
  });

  it('a project that nobody can read is refused, and recorded', async () => {
    const repository = await git.createRepository('broken.git');
    await repository.commit({ files: { 'rockcraft.yaml': 'a: [' } });
    const session = await daemon.createSession('strict');
    expect((await clone(session, 'broken')).code).not.toBe(0);
    const report = await session.finish();
    expect(report.refusals).toMatchObject([
      { inspector: 'craft.rockcraft', delivered: false, reason: expect.stringContaining('no YAML') },
    ]);
  });

  it('a Go module at its tag is named by its path', async () => {
    const repository = await git.createRepository('module.git');
    await repository.commit({ files: { 'go.mod': 'module mod.example/team/module\n' }, tag: 'v1.2.3' });
    const session = await daemon.createSession('strict');
    const ran = await clone(session, 'module');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    const report = await session.finish();
    expect(report.artifacts.map(({ metadata }) => metadata.purl)).toContain(
      'pkg:golang/mod.example/team/module@v1.2.3',
    );
  });
});

describe('an image of a system in a strict session', () => {
  const image = buildTgz([
    { path: 'metadata.yaml', body: 'architecture: x86_64\ncreation_date: 1750000000\nproperties: {os: test}\n' },
    { path: 'rootfs/etc/os-release', body: 'ID=test\n' },
  ]);
  const items = { 'lxd.tar.gz': { path: '24/image.tar.gz', sha256: sha256(image), size: image.length } };
  const catalog = {
    format: 'products:1.0',
    datatype: 'image-downloads',
    updated: 'today',
    products: { 'com.example:24:amd64': { versions: { '20260101': { items } } } },
  };

  it('is approved by the catalog, and other bytes are refused (promise 1)', async () => {
    files.set('/images/daily/streams/v1/com.example:daily:download.json', Buffer.from(JSON.stringify(catalog)));
    files.set('/images/daily/24/image.tar.gz', image);
    const session = await daemon.createSession('strict');
    const at = (path: string) => `${upstream.url}/images/daily/${path}`;
    expect((await curl(session, at('24/image.tar.gz'))).status).toBe(403);
    expect((await curl(session, at('streams/v1/com.example:daily:download.json'))).status).toBe(200);
    const good = await curl(session, at('24/image.tar.gz'));
    expect([good.status, sha256(good.body)]).toEqual([200, sha256(image)]);
    files.set('/images/daily/24/image.tar.gz', flipped(image));
    const bad = await curl(session, at('24/image.tar.gz'));
    expect(bad.body.equals(image)).toBe(false);
    expect(bad.status === 403 || bad.code !== 0).toBe(true);
    const report = await session.finish();
    expect(report.refusals.map(({ inspector }) => inspector)).toEqual(['lxd.rootfs', 'lxd.rootfs']);
    const approved = report.artifacts.find(
      ({ metadata }) => metadata.sha256 === sha256(image) && metadata.type.endsWith('lxd-rootfs'),
    );
    expect(approved && chainsOf(approved)).toEqual([
      expect.stringMatching(/^lxd\.simple-streams\.download:.* ← origin:localhost/),
    ]);
  });
});

describe('a binary package of a craft store in a strict session', () => {
  it('is approved by what the store says of it, and other bytes are refused (promise 1)', async () => {
    await mkdir(dir.at('bin'));
    await writeFile(
      dir.at('bin/metadata.yaml'),
      'name: tool\nversion: "1"\nbase: base@24\narchitecture: amd64\nlicense: MIT\n',
    );
    const made = await run('tar', ['-C', dir.at('bin'), '-cJf', dir.at('tool.tar.xz'), './metadata.yaml']);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    const bytes = await readFile(dir.at('tool.tar.xz'));
    const download = {
      url: `${upstream.url}/bins/tool.tar.xz`,
      size: bytes.length,
      'sha3-384': createHash('sha3-384').update(bytes).digest('hex'),
    };
    const info = {
      name: 'tool',
      'package-id': 'p1',
      publisher: { username: 'team' },
      'channel-map': [{ channel: 'latest/stable', revision: 7, download }],
    };
    files.set('/v2/bins/info/tool', Buffer.from(JSON.stringify(info)));
    files.set('/bins/tool.tar.xz', bytes);
    const session = await daemon.createSession('strict');
    expect((await curl(session, download.url)).text).toContain('did not list');
    expect((await curl(session, `${upstream.url}/v2/bins/info/tool?fields=channel-map`)).status).toBe(200);
    const good = await curl(session, download.url);
    expect([good.status, sha256(good.body)]).toEqual([200, sha256(bytes)]);
    files.set('/bins/tool.tar.xz', flipped(bytes));
    expect((await curl(session, download.url)).status).toBe(403);
    const report = await session.finish();
    expect(report.refusals.map(({ inspector }) => inspector)).toEqual(['bld.bin', 'bld.bin']);
    const found = report.artifacts.find(
      ({ result, metadata }) => result === 'Approved' && metadata.name === 'tool' && metadata.version === '1',
    );
    expect(found).toMatchObject({
      metadata: { type: 'application/x.canonical.bld-bin-package', 'store-revision': '7', 'content-id': 'p1' },
    });
    expect(found && chainsOf(found)).toEqual([expect.stringMatching(/^store\.info-api:tool ← origin:/)]);
    expect(artifactAt(report, '/v2/bins/info/tool?fields=channel-map').result).toBe('Approved');
  });
});
