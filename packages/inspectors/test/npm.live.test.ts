import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { npmPackument } from '../src/npm/packument.js';
import { npmTarball } from '../src/npm/tarball.js';
import { createFakeSession, type FakeDownload, type FakeSession } from './fake-session.js';

/** Real packages of the registry that npm is configured for here: scoped, old, large, with versions of old. */
const packages = ['lodash', 'express', '@types/node', 'typescript', 'react', 'debug', 'chalk', 'jsonstream', 'esbuild'];
const run = promisify(execFile);

type Seen = FakeDownload & { readonly url: string };

let directory: string;
let upstream: URL;
/** Why the registry cannot be reached from here, if so: then there is nothing to find out. */
let outOfReach: string | undefined;
const close: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-npm-live-'));
  close.push(() => rm(directory, { recursive: true, force: true }));
  const { stdout } = await run('npm', ['config', 'get', 'registry']);
  upstream = new URL(stdout.trim().replace(/\/?$/, '/'));
  await writeFile(join(directory, 'package.json'), '{"name":"x","version":"1.0.0"}');
  outOfReach = await fetch(new URL('lodash/latest', upstream), { signal: AbortSignal.timeout(30_000) }).then(
    ({ status }) => (status === 200 ? undefined : `it answers ${status}`),
    (error: Error) => String(error.cause ?? error.message),
  );
});
beforeEach((context) => {
  if (outOfReach !== undefined) context.skip(`the registry cannot be reached from here: ${outOfReach}`);
});
afterAll(async () => {
  for (const step of close.reverse()) await step();
});

function newSession(): FakeSession {
  const config = { npm: { registries: { default: { url: upstream.href, tarballs: [] } } } };
  const session = createFakeSession({
    inspectors: [npmPackument(config), npmTarball(config)],
    async companions(url) {
      const got = await fetch(url);
      return got.status === 200 ? new Uint8Array(await got.arrayBuffer()) : undefined;
    },
  });
  close.push(() => session.close());
  return session;
}

/** Passes npm's requests on to the registry and shows the answers to the inspectors. */
async function startForwarder(
  session: FakeSession,
  isShown = (_path: string) => true,
): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  let queue: Promise<unknown> = Promise.resolve();
  const server = createServer((request, response) => {
    const answer = async () => {
      const url = new URL((request.url ?? '/').slice(1), upstream);
      const got = await fetch(url, { headers: { accept: request.headers.accept ?? '*/*' } });
      const body = Buffer.from(await got.arrayBuffer());
      if (got.status === 200 && isShown(url.pathname)) {
        queue = queue.then(async () =>
          seen.push({ ...(await session.download(url.href, { body })), url: url.pathname }),
        );
        await queue;
      }
      response
        .writeHead(got.status, { 'content-type': got.headers.get('content-type') ?? '' })
        .end(toForwarder(body, got));
    };
    answer().catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const own = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  // Not every client replaces the host of dist.tarball by that of its registry.
  const toForwarder = (body: Buffer, { headers }: Response) =>
    headers.get('content-type')?.includes('json')
      ? body.toString('utf8').replaceAll(`"${upstream.href}`, `"${own}`)
      : body;
  close.push(async () => {
    server.close();
    server.closeAllConnections();
  });
  return { url: own, seen };
}

async function npm(registry: string, cache: string, ...args: string[]): Promise<void> {
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--replace-registry-host=always'];
  await run('npm', [...args, ...quiet, `--registry=${registry}`, `--cache=${join(directory, cache)}`], {
    cwd: directory,
  });
}

function refusals(seen: readonly Seen[]): string[] {
  return seen
    .filter(({ result }) => result !== 'Approved')
    .map(({ url, artifact }) => `${url}: ${[...artifact.values()].map(({ reason }) => reason).join('; ')}`);
}

const tarballsOf = (seen: readonly Seen[]) => seen.filter(({ artifact }) => artifact.has('npm.tarball'));

describe('the registry that npm is configured for', () => {
  it('everything that an install reads is approved', async () => {
    const { url, seen } = await startForwarder(newSession());
    await npm(url, 'first', 'install', ...packages);
    expect(refusals(seen)).toEqual([]);
    expect(tarballsOf(seen).length).toBeGreaterThan(packages.length);
    for (const { artifact } of tarballsOf(seen)) {
      expect(artifact.get('npm.tarball')?.metadata?.purl).toMatch(/^pkg:npm\/.+@/);
    }
  });

  it('the registry vouches when it is asked, for clients that read their lock file and no packument', async () => {
    const session = newSession();
    const { url, seen } = await startForwarder(session, (path) => path.includes('/-/'));
    await npm(url, 'second', 'ci');
    expect(refusals(seen)).toEqual([]);
    expect(tarballsOf(seen).length).toBeGreaterThan(packages.length);
    expect(session.companionsAsked.length).toBe(tarballsOf(seen).length);
  });

  it('what pnpm reads is approved too', async () => {
    const { url, seen } = await startForwarder(newSession());
    const project = join(directory, 'pnpm');
    await mkdir(project);
    await writeFile(join(project, 'package.json'), '{"name":"x","version":"1.0.0"}');
    await writeFile(join(project, 'pnpm-workspace.yaml'), `packages: []\nregistries:\n  default: ${url}\n`);
    await writeFile(join(project, '.npmrc'), `registry=${url}\n`);
    const own = [`--registry=${url}`, `--store-dir=${join(project, 'store')}`, `--cache-dir=${join(project, 'cache')}`];
    await run('pnpm', ['add', '--ignore-scripts', ...own, ...packages], { cwd: project });
    expect(refusals(seen)).toEqual([]);
    expect(tarballsOf(seen).length).toBeGreaterThan(packages.length);
  });
});
