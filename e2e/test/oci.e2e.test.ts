import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { buildTgz, createThrowawayCa, type HttpUpstream, startHttpsUpstream } from '@waybill/testkit';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { startForwardProxy } from './harness/forward-proxy.js';
import { keepForFile } from './harness/keep.js';
import { freePorts } from './harness/ports.js';
import { chainsOf, downloadsOf, sha256 } from './harness/report.js';
import { type Ran, run, sessionEnv } from './harness/run.js';
import type { Session } from './harness/session.js';
import { createTempDir, type TempDir } from './harness/temp-dir.js';
import { until } from './harness/until.js';

const keep = keepForFile();
const host = 'images.registry.example';
const token = `token-${randomBytes(12).toString('hex')}`;
let dir: TempDir;
let daemon: Daemon;
let front: HttpUpstream;
let registryPort: number;
let origin: string;
let tamper: ((path: string, body: Buffer) => Buffer) | undefined;
const layer = buildTgz([{ path: 'etc/motd', body: 'hello\n' }]);

beforeAll(async () => {
  dir = keep(await createTempDir());
  registryPort = (await freePorts()).control;
  await startRegistry();
  await push();
  const ca = await createThrowawayCa();
  front = keep(await startHttpsUpstream(serve, { ca, host }));
  origin = `https://${host}:${front.port}`;
  const world = keep(await startForwardProxy({ isEverythingHere: true }));
  daemon = keep(
    await startDaemon({
      upstreamCa: ca,
      inspectors: {
        oci: { registries: { main: { url: origin, repositories: ['team/**'], auth: [`${origin}/token`] } } },
        limits: { reuse: 'off' },
      },
      env: { HTTPS_PROXY: world.url, NO_PROXY: '' },
    }),
  );
});
afterEach(() => {
  tamper = undefined;
});

/** Debian's registry on its own directory. */
async function startRegistry(): Promise<void> {
  const config = {
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: dir.at('registry') } },
    http: { addr: `127.0.0.1:${registryPort}` },
  };
  await writeFile(dir.at('registry.yml'), JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', dir.at('registry.yml')], { stdio: 'ignore' });
  keep({ close: async () => void child.kill('SIGKILL') });
  await until(
    'the registry answers',
    async () => (await fetch(`http://127.0.0.1:${registryPort}/v2/`).catch(() => undefined))?.ok === true,
  );
}

/** An image of one layer, put into the registry by skopeo itself. */
async function push(): Promise<void> {
  const blobs = dir.at('layout/blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const add = async (bytes: string | Buffer, mediaType: string) => {
    await writeFile(join(blobs, sha256(bytes)), bytes);
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: Buffer.byteLength(bytes) };
  };
  const type = (name: string) => `application/vnd.oci.image.${name}`;
  const layers = [await add(layer, type('layer.v1.tar+gzip'))];
  const config = await add(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }),
    type('config.v1+json'),
  );
  const manifest = { schemaVersion: 2, mediaType: type('manifest.v1+json'), config, layers };
  const listed = await add(JSON.stringify(manifest), manifest.mediaType);
  await writeFile(dir.at('layout/oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const name = { 'org.opencontainers.image.ref.name': '1' };
  const index = { schemaVersion: 2, manifests: [{ ...listed, annotations: name }] };
  await writeFile(dir.at('layout/index.json'), JSON.stringify(index));
  const to = `docker://127.0.0.1:${registryPort}/team/app:1`;
  const ran = await run('skopeo', [
    '--insecure-policy',
    'copy',
    '--dest-tls-verify=false',
    `oci:${dir.at('layout')}:1`,
    to,
  ]);
  expect(ran, ran.stderr).toMatchObject({ code: 0 });
}

/** Before the registry: lets in who has a token, and gives tokens. */
function serve(incoming: IncomingMessage, response: ServerResponse): void {
  const path = incoming.url ?? '/';
  if (path.startsWith('/token')) {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ token, expires_in: 300 }));
    return;
  }
  if (incoming.headers.authorization !== `Bearer ${token}`) {
    const challenge = `Bearer realm="${origin}/token",service="images",scope="repository:team/app:pull"`;
    response
      .writeHead(401, { 'www-authenticate': challenge, 'docker-distribution-api-version': 'registry/2.0' })
      .end('{}');
    return;
  }
  const { method, headers } = incoming;
  const outgoing = httpRequest({ port: registryPort, path, method, headers }, async (answer) => {
    const body = Buffer.concat(await answer.toArray());
    response.writeHead(answer.statusCode ?? 500, answer.headers).end(tamper?.(path, body) ?? body);
  });
  outgoing.on('error', () => response.destroy());
  outgoing.end();
}

let pulls = 0;
/** The real skopeo in a session. */
async function pull(session: Session, reference: string): Promise<Ran & { readonly target: string }> {
  const target = dir.at(`pulled-${pulls++}`);
  const home = dir.at(`home-${pulls}`);
  await mkdir(home);
  const env = { ...sessionEnv(session), HOME: home, SSL_CERT_FILE: session.caFile, XDG_RUNTIME_DIR: home };
  const from = `docker://${host}:${front.port}/team/${reference}`;
  return {
    ...(await run('skopeo', ['--insecure-policy', 'copy', '--retry-times=0', from, `dir:${target}`], { env })),
    target,
  };
}

describe('an image in a strict session', () => {
  it('is pulled by its tag, with a token that nobody keeps (promises 1, 2, 6)', async () => {
    const session = await daemon.createSession('strict');
    const ran = await pull(session, 'app:1');
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(sha256(await readFile(join(ran.target, sha256(layer))))).toBe(sha256(layer));
    const report = await session.finish();
    expect(report.failures).toEqual([]);
    const blob = report.artifacts.find(({ metadata }) => metadata.sha256 === sha256(layer));
    expect(blob).toMatchObject({ result: 'Approved' });
    expect(blob && chainsOf(blob)).toEqual([
      expect.stringMatching(/^oci\.manifest:.* ← origin:images\.registry\.example/),
    ]);
    const given = report.artifacts.find(({ metadata }) => metadata.type === 'application/x.oci.token');
    expect(given).toMatchObject({ result: 'Approved', metadata: { 'not-kept': 'credential' } });
    expect(downloadsOf(report).some(({ url }) => url.includes('/manifests/1'))).toBe(true);

    // Neither in what the report says, nor anywhere on disk, nor in what the daemon printed; ended sessions export their bodies.
    expect((await session.end()).status).toBe(200);
    expect(JSON.stringify(report)).not.toContain(token);
    expect(daemon.output()).not.toContain(token);
    let looked = 0;
    for (const entry of await readdir(daemon.dir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      looked += 1;
      expect((await readFile(join(entry.parentPath, entry.name))).includes(token), entry.name).toBe(false);
    }
    expect(looked).toBeGreaterThan(5);
    const assets = await readdir(join(daemon.dir, 'spool', session.id, 'assets'));
    expect(assets).toContain(`${sha256(layer)}.data`);
    expect(assets).toContain(`${given?.metadata.sha256}.json`);
    expect(assets).not.toContain(`${given?.metadata.sha256}.data`);
  });

  it('of a repository that is not allowed is refused before anything is sent', async () => {
    const session = await daemon.createSession('strict');
    const before = front.requests.length;
    const from = `docker://${host}:${front.port}/other/app:1`;
    const env = { ...sessionEnv(session), HOME: dir.at('home-1'), SSL_CERT_FILE: session.caFile };
    const ran = await run('skopeo', ['--insecure-policy', 'copy', from, `dir:${dir.at('other')}`], { env });
    expect(ran.code).not.toBe(0);
    expect(front.requests.slice(before).filter(({ target }) => target.includes('/other/'))).toEqual([]);
  });
});

describe('what a registry must not get in', () => {
  const cases: readonly (readonly [string, string, (path: string, body: Buffer) => Buffer, RegExp])[] = [
    [
      'a layer with one other byte',
      'oci.blob',
      (path, body) => (path.endsWith(sha256(layer)) ? changed(body) : body),
      /expected the blob|found/,
    ],
    [
      'a manifest that is no manifest',
      'oci.manifest',
      (path, body) => (path.includes('/manifests/') ? Buffer.from(`[${' '.repeat(body.length - 2)}]`) : body),
      /manifest/,
    ],
  ];

  it.each(cases)('%s: refused and recorded (promise 1)', async (_name, inspector, change, reason) => {
    tamper = change;
    const session = await daemon.createSession('strict');
    const ran = await pull(session, 'app:1');
    expect(ran.code).not.toBe(0);
    const report = await session.finish();
    const refused = report.refusals.filter((refusal) => refusal.inspector === inspector);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toMatchObject({ phase: 'artifact', delivered: false });
    expect(refused[0]?.reason).toMatch(reason);
  });
});

function changed(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = copy.length >> 1;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
