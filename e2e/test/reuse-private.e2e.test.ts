import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { buildTgz, createThrowawayCa, type HttpUpstream, startHttpsUpstream } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile } from './harness/keep.js';
import { downloadsOf } from './harness/report.js';

/**
 * Promise 6, ADR 6: a tenant whose session brings its own registry, and who knows the digest of what another tenant fetched with
 * a credential, is not given those bytes.
 */
const keep = keepForFile();
const names = ['injected', 'sent', 'public'] as const;
type Name = (typeof names)[number];
const path = (name: Name) => `/${name}/-/${name}-1.0.0.tgz`;
const tarballs = new Map(
  names.map((name) => [
    name,
    buildTgz([
      { path: 'package/package.json', body: JSON.stringify({ name, version: '1.0.0', secret: 'of the firm' }) },
    ]),
  ]),
);
const tarball = (name: Name) => tarballs.get(name) as Buffer;

/** Serves the packument of each name, and the files where there are any. */
function registry(origin: () => string, url: string | undefined, response: ServerResponse, serves: boolean): void {
  const name = names.find((one) => url === `/${one}` || url === path(one));
  if (name !== undefined && url === `/${name}`) {
    const integrity = `sha512-${createHash('sha512').update(tarball(name)).digest('base64')}`;
    const version = { name, version: '1.0.0', dist: { tarball: `${origin()}${path(name)}`, integrity } };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name, 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': version } }));
  } else if (name !== undefined && serves) response.end(tarball(name));
  else response.writeHead(404).end();
}

let firm: HttpUpstream;
let stranger: HttpUpstream;
let daemon: Daemon;

beforeAll(async () => {
  const ca = await createThrowawayCa();
  firm = keep(
    await startHttpsUpstream(
      ({ url, headers }, response) => {
        const isOpen = url?.startsWith('/public') || headers.authorization !== undefined;
        if (isOpen) registry(() => firm.url, url, response, true);
        else response.writeHead(401).end();
      },
      { ca },
    ),
  );
  stranger = keep(
    await startHttpsUpstream(({ url }, response) => registry(() => stranger.url, url, response, false), { ca }),
  );
  const inspectors = { npm: { registries: { firm: { url: `${firm.url}/` } } }, limits: { reuse: 'on' } };
  daemon = keep(await startDaemon({ upstreamCa: ca, inspectors }));
});

/** The firm's build: each file with the credential of its name. */
async function buildOfTheFirm(): Promise<void> {
  const secrets = ['', '/**'].map((rest) => ({
    type: 'basic-auth',
    url: `${firm.url}/injected${rest}`,
    'basic-credentials': 'robot:secret',
  }));
  const session = await daemon.createSession('strict', { secrets });
  for (const name of names) {
    const own = name === 'sent' ? ['--user', 'me:secret'] : [];
    for (const file of [`/${name}`, path(name)]) {
      const got = await curl(session, `${firm.url}${file}`, own);
      expect(got, got.text).toMatchObject({ code: 0, status: 200 });
    }
  }
  await session.finish();
}

/** The stranger's: a registry of its own that lists the same digests and has none of the files. */
async function buildOfTheStranger(name: Name) {
  const config = { npm: { registries: { own: { url: `${stranger.url}/` } } }, limits: { reuse: 'on' } };
  const session = await daemon.createSession('strict', { 'inspectors-configuration': config });
  expect(await curl(session, `${stranger.url}/${name}`)).toMatchObject({ code: 0, status: 200 });
  const asked = stranger.requests.length;
  const got = await curl(session, `${stranger.url}${path(name)}`);
  const report = await session.finish();
  const deliveries = downloadsOf(report).map(({ delivery }) => delivery);
  return { got, deliveries, asked: stranger.requests.slice(asked).map(({ target }) => target) };
}

async function restart(signal: NodeJS.Signals): Promise<void> {
  // What is remembered is written twice a second.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await daemon.kill(signal);
  await daemon.start();
}

describe.each(['at once', 'after SIGTERM', 'after SIGKILL'] as const)('what another session stored, %s', (when) => {
  beforeAll(async () => {
    await buildOfTheFirm();
    if (when !== 'at once') await restart(when === 'after SIGTERM' ? 'SIGTERM' : 'SIGKILL');
  });

  it.each(['injected', 'sent'] as const)(
    'with credentials (%s) is asked of the registry that lists it',
    async (name) => {
      const { got, asked, deliveries } = await buildOfTheStranger(name);
      expect(asked).toEqual([path(name)]);
      expect(got.status).not.toBe(200);
      expect(got.text).not.toContain('of the firm');
      expect(deliveries).not.toContain('reused');
    },
  );

  it('without credentials is given to whoever lists it', async () => {
    const { got, asked, deliveries } = await buildOfTheStranger('public');
    expect(asked).toEqual([]);
    expect(got).toMatchObject({ code: 0, status: 200 });
    expect(deliveries).toContain('reused');
  });
});
