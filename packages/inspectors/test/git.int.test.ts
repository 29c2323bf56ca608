import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ArtifactInspection } from '@waybill/contracts';
import {
  createThrowawayCa,
  type GitExchange,
  type GitRepository,
  type GitServer,
  gitTestEnvironment,
  startGitServer,
} from '@waybill/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { gitSmartQuery } from '../src/git/smart-query.js';
import { gitUploadPack } from '../src/git/upload-pack.js';
import { createFakeSession, type FakeDownload, type FakeSession } from './fake-session.js';

let server: GitServer;
let tool: GitRepository;
let other: GitRepository;
let modern: GitRepository;
let first: string;
let second: string;
let side: string;
let directory: string;
let session: FakeSession;

beforeAll(async () => {
  server = await startGitServer();
  const config = {
    'uploadpack.allowAnySHA1InWant': 'true',
    'uploadpack.allowFilter': 'true',
  };
  tool = await server.createRepository('team/tool.git', { config });
  const big = Array.from({ length: 400 }, (_, i) => `line ${i} of a file that deltas well`);
  first = await tool.commit({ files: { 'README.md': 'tool\n', 'src/big.txt': big.join('\n') }, tag: 'v1.0.0' });
  second = await tool.commit({
    files: { 'src/big.txt': [...big, 'one more'].join('\n'), 'src/new.txt': 'new' },
    tag: 'v1.1.0',
  });
  side = await tool.commit({ files: { 'side.txt': 'side' }, branch: 'side' });
  other = await server.createRepository('other.git');
  await other.commit({ files: { 'README.md': 'another repository\n' } });
  modern = await server.createRepository('modern.git', { objectFormat: 'sha256' });
  await modern.commit({ files: { a: '1' }, tag: 'v1' });
});
afterAll(() => server.close());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-git-test-'));
  server.exchanges.length = 0;
  session = newSession();
});
afterEach(async () => {
  await session.close();
  await rm(directory, { recursive: true, force: true });
});

function newSession(): FakeSession {
  const config = { git: { urls: [`${server.url}/team/**`, `${server.url}/*.git`] } };
  return createFakeSession({ inspectors: [gitSmartQuery(config), gitUploadPack(config)] });
}

async function git(...args: string[]): Promise<string> {
  const env = gitTestEnvironment(directory);
  return (await promisify(execFile)('git', args, { cwd: directory, env })).stdout.trim();
}

const inClone = (...args: string[]) => git('-C', 'clone', ...args);

/** Replays what a real client and a real server said to each other through the inspectors. */
async function replay(
  change: (exchange: GitExchange) => Buffer = ({ answer }) => answer.body,
): Promise<FakeDownload[]> {
  const downloads: FakeDownload[] = [];
  for (const exchange of server.exchanges.splice(0)) {
    const { method, url, requestHeaders, requestBody, answer } = exchange;
    if (answer.status !== 200) continue;
    const body = method === 'POST' ? { body: requestBody } : {};
    downloads.push(
      await session.download(
        { method, url, headers: requestHeaders, ...body },
        { body: change(exchange), headers: answer.headers },
      ),
    );
  }
  return downloads;
}

const hasPack = ({ answer }: GitExchange) => answer.body.includes('PACK');

function verdicts(downloads: readonly FakeDownload[]): string[] {
  return downloads.map(({ result, request, artifact }) =>
    [result, ...[...request.values(), ...artifact.values()].map(({ reason }) => reason)].join('; '),
  );
}

function last(downloads: readonly FakeDownload[]): ArtifactInspection {
  return downloads.at(-1)?.artifact.get('git.upload-pack') as ArtifactInspection;
}

function expectAllApproved(downloads: readonly FakeDownload[]): void {
  expect(downloads.length).toBeGreaterThan(1);
  for (const verdict of verdicts(downloads)) expect(verdict).toMatch(/^Approved/);
}

describe.each(['0', '1', '2'])('protocol %s', (version) => {
  const clone = (...args: string[]) =>
    git('-c', `protocol.version=${version}`, 'clone', '--quiet', ...args, tool.url, 'clone');
  const fetchMore = (...args: string[]) => inClone('-c', `protocol.version=${version}`, 'fetch', '--quiet', ...args);

  it('a full clone', async () => {
    await clone();
    const downloads = await replay();
    expectAllApproved(downloads);
    const advertisement = downloads[0]?.artifact.get('git.smart-query');
    expect(advertisement?.annotations).toMatchObject({ version });
    expect(advertisement?.metadata).toMatchObject({
      type: 'application/x.git.upload-pack-advertisement',
      name: 'tool',
      vendor: '127.0.0.1',
    });
    expect(downloads[0]?.request.get('git.smart-query')?.annotations).toMatchObject({
      protocol: version,
      service: 'git-upload-pack',
    });
    const found = last(downloads);
    expect(found.metadata).toMatchObject({
      type: 'application/x.git.upload-pack-result.fetch',
      name: 'tool',
      'content-id': second,
      version: 'v1.1.0',
      purl: expect.stringMatching(new RegExp(`^pkg:generic/tool@v1\\.1\\.0\\?vcs_url=git(%2B|\\+)http:?.*${second}$`)),
    });
    expect(found.annotations).toMatchObject({ heads: ['refs/heads/main', 'refs/heads/side'] });
    expect(found.annotations).not.toHaveProperty('not-advertised');
    expect(found.annotations).not.toHaveProperty('connectivity');
    expect(found.vouchedBy).toContainEqual({ kind: 'origin', id: 'git.urls[0]', name: `${server.url}/team/**` });
    expect(found.vouchedBy).toContainEqual({
      kind: 'digest',
      id: `git:${second}`,
      name: 'object id wanted by the client',
    });
    expect(found.vouchedBy).toContainEqual(
      expect.objectContaining({ kind: 'artifact', sha256: downloads.at(version === '2' ? 1 : 0)?.sha256 }),
    );
  });

  it('a shallow clone of one tag', async () => {
    await clone('--depth', '1', '--branch', 'v1.0.0');
    const downloads = await replay();
    expectAllApproved(downloads);
    expect(downloads.at(-1)?.request.get('git.upload-pack')?.annotations).toMatchObject({
      'is-shallow': true,
      'num-wants': 1,
    });
    expect(last(downloads)).toMatchObject({ metadata: { version: 'v1.0.0' } });
  });

  it('a shallow clone of a branch whose history is cut off', async () => {
    await clone('--depth', '1', '--single-branch', '--no-tags');
    const downloads = await replay();
    expectAllApproved(downloads);
    expect(last(downloads).annotations).toMatchObject({ shallow: [second] });
  });

  it('an empty repository', async () => {
    const empty = await server.createRepository(`empty-${version}.git`);
    await git('-c', `protocol.version=${version}`, 'clone', '--quiet', empty.url, 'clone');
    for (const verdict of verdicts(await replay())) expect(verdict).toMatch(/^Approved/);
  });

  it('sha256 object ids', async () => {
    await git('-c', `protocol.version=${version}`, 'clone', '--quiet', modern.url, 'clone');
    const downloads = await replay();
    expectAllApproved(downloads);
    expect(last(downloads).metadata?.['content-id']).toMatch(/^[0-9a-f]{64}$/);
  });

  it('an incremental fetch builds on the packs of the session', async () => {
    const growing = await server.createRepository(`growing-${version}.git`);
    const lines = Array.from({ length: 500 }, (_, i) => `line ${i}`);
    await growing.commit({ files: { big: lines.join('\n') } });
    await git('-c', `protocol.version=${version}`, 'clone', '--quiet', growing.url, 'clone');
    expectAllApproved(await replay());
    const tip = await growing.commit({ files: { big: [...lines, 'more'].join('\n') } });
    await fetchMore();
    const downloads = await replay();
    expectAllApproved(downloads);
    expect(last(downloads)).toMatchObject({ metadata: { 'content-id': tip }, annotations: { 'earlier-packs': 1 } });
    expect(last(downloads).annotations).not.toHaveProperty('connectivity');
  });

  it('an incremental fetch on objects from before the session is refused when it cannot be proven', async () => {
    const growing = await server.createRepository(`before-${version}.git`);
    const lines = Array.from({ length: 500 }, (_, i) => `line ${i}`);
    await growing.commit({ files: { big: lines.join('\n') } });
    await git('-c', `protocol.version=${version}`, 'clone', '--quiet', growing.url, 'clone');
    server.exchanges.length = 0;
    await growing.commit({ files: { big: [...lines, 'more'].join('\n') } });
    await fetchMore();
    const found = last(await replay());
    expect(found).toMatchObject({ opinion: 'Rejected', reason: expect.stringMatching(/unresolved delta/) });
    expect(found.annotations?.hint).toMatch(/clone afresh/);
  });

  it('deepening a shallow clone', async () => {
    await clone('--depth', '1', '--no-tags', '--single-branch');
    expectAllApproved(await replay());
    await fetchMore('--unshallow');
    const downloads = await replay();
    expectAllApproved(downloads);
    expect(last(downloads).annotations).not.toHaveProperty('shallow');
    expect(last(downloads).annotations).not.toHaveProperty('connectivity');
  });

  it('several wanted commits by id, one of them not advertised', async () => {
    await git('init', '--quiet', 'clone');
    await fetchMore(tool.url, first, side);
    const downloads = await replay();
    expectAllApproved(downloads);
    expect(downloads.at(-1)?.request.get('git.upload-pack')?.annotations).toMatchObject({ 'num-wants': 2 });
    expect(last(downloads).reason).toBe('all 2 wanted objects are in the pack');
  });

  it('a commit that no ref names is allowed and noted', async () => {
    const hidden = await tool.commit({ files: { hidden: version }, branch: 'hidden' });
    await tool.git('update-ref', '-d', 'refs/heads/hidden');
    await git('init', '--quiet', 'clone');
    await fetchMore('--depth', '1', tool.url, hidden);
    const downloads = await replay();
    expectAllApproved(downloads);
    expect(last(downloads).annotations).toMatchObject({ 'not-advertised': [hidden] });
    expect(last(downloads).metadata?.version).toBe(hidden);
  });

  it('a partial clone and the objects it fetches later', async () => {
    await clone('--filter=blob:none');
    const downloads = await replay();
    expectAllApproved(downloads);
    expect(
      downloads.some(({ artifact }) =>
        String(artifact.get('git.upload-pack')?.annotations?.connectivity).includes('left out'),
      ),
    ).toBe(true);
  });

  it.each([
    ['one bit changed in the pack', (body: Buffer) => changed(body, body.lastIndexOf('PACK') + 40)],
    ['one bit changed in the trailer', (body: Buffer) => changed(body, body.length - 10)],
    ['the object count changed', (body: Buffer) => changed(body, body.lastIndexOf('PACK') + 11)],
    ['cut in the middle', (body: Buffer) => body.subarray(0, body.length >> 1)],
    ['without the closing flush', (body: Buffer) => body.subarray(0, -4)],
    ['with bytes behind', (body: Buffer) => Buffer.concat([body, Buffer.from('0008junk')])],
    ['empty', () => Buffer.alloc(0)],
    ['an error of the server', () => Buffer.from('0021ERR upload-pack: not our ref x')],
    ['html', () => Buffer.from('<html>sorry</html>')],
  ])('a pack with %s is rejected', async (_name, change) => {
    await clone();
    const downloads = await replay((exchange) =>
      hasPack(exchange) ? change(exchange.answer.body) : exchange.answer.body,
    );
    expect(downloads.at(-1)?.result).toBe('Rejected');
    expect(last(downloads).opinion).toBe('Rejected');
    expect(last(downloads).annotations ?? {}).not.toHaveProperty('error-code');
  });

  it('the pack of another commit is rejected', async () => {
    await clone('--depth', '1', '--branch', 'v1.0.0');
    const wrong = server.exchanges.splice(0).find(hasPack)?.answer.body as Buffer;
    await rm(join(directory, 'clone'), { recursive: true });
    await git(
      '-c',
      `protocol.version=${version}`,
      'clone',
      '--quiet',
      '--depth',
      '1',
      '--branch',
      'side',
      tool.url,
      'clone',
    );
    const downloads = await replay((exchange) => (hasPack(exchange) ? wrong : exchange.answer.body));
    expect(last(downloads)).toMatchObject({
      opinion: 'Rejected',
      reason: `the pack does not hold the wanted object ${side}`,
      annotations: { hint: 'the server sent something else than it was asked for' },
    });
  });

  it('the pack of another repository is rejected', async () => {
    await git('-c', `protocol.version=${version}`, 'clone', '--quiet', other.url, 'else');
    const wrong = server.exchanges.splice(0).find(hasPack)?.answer.body as Buffer;
    await clone();
    const downloads = await replay((exchange) => (hasPack(exchange) ? wrong : exchange.answer.body));
    expect(last(downloads).reason).toMatch(/^the pack does not hold/);
  });
});

describe('what real git does beside', () => {
  it('a wanted ref is resolved by the server (protocol 2)', async () => {
    const named = await server.createRepository('named.git', { config: { 'uploadpack.allowRefInWant': 'true' } });
    const tip = await named.commit({ files: { a: '1' } });
    await git('init', '--quiet', 'clone');
    await inClone('fetch', '--quiet', '--no-tags', named.url, 'refs/heads/main');
    const downloads = await replay();
    expectAllApproved(downloads);
    expect(downloads.at(-1)?.request.get('git.upload-pack')?.annotations).toMatchObject({
      'want-refs': ['refs/heads/main'],
      wants: [],
    });
    expect(last(downloads).metadata?.['content-id']).toBe(tip);
  });

  it('a clone over https', async () => {
    const ca = await createThrowawayCa();
    const secure = await startGitServer({ tls: ca });
    try {
      const repository = await secure.createRepository('team/secure.git');
      await repository.commit({ files: { a: '1' } });
      await writeFile(join(directory, 'ca.pem'), ca.certificatePem);
      await git('-c', `http.sslCAInfo=${join(directory, 'ca.pem')}`, 'clone', '--quiet', repository.url, 'clone');
      const config = { git: { urls: [`${secure.url}/team/**`] } };
      await session.close();
      session = createFakeSession({ inspectors: [gitSmartQuery(config), gitUploadPack(config)] });
      server.exchanges.push(...secure.exchanges);
      expectAllApproved(await replay());
    } finally {
      await secure.close();
    }
  });

  it('a push is rejected', async () => {
    await git('clone', '--quiet', tool.url, 'clone');
    await inClone('commit', '--quiet', '--allow-empty', '--message', 'x');
    server.exchanges.length = 0;
    await inClone('push', '--quiet', 'origin', 'HEAD:refs/heads/pushed');
    const claims = server.exchanges.map(({ method, url, requestHeaders, requestBody }) => [
      ...session
        .request({ method, url, headers: requestHeaders, ...(method === 'POST' && { body: requestBody }) })
        .values(),
    ]);
    expect(claims.length).toBeGreaterThanOrEqual(2);
    for (const [claim] of claims)
      expect(claim).toMatchObject({ opinion: 'Rejected', reason: expect.stringMatching(/push/) });
  });

  it('a repository outside git.urls is nobody’s, with the reason', async () => {
    const outside = createFakeSession({
      inspectors: [
        gitSmartQuery({ git: { urls: ['https://git.example:443/**'] } }),
        gitUploadPack({ git: { urls: ['https://git.example:443/**'] } }),
      ],
    });
    await git('clone', '--quiet', tool.url, 'clone');
    for (const { method, url, requestHeaders, requestBody } of server.exchanges) {
      const [claim] = outside
        .request({ method, url, headers: requestHeaders, ...(method === 'POST' && { body: requestBody }) })
        .values();
      expect(claim).toMatchObject({ opinion: 'Unknown', reason: expect.stringMatching(/git\.urls/) });
    }
  });

  it('a repository with dangerous names is rejected though its ids are right', async () => {
    const evil = await server.createRepository('evil.git');
    await evil.commit({ files: { a: 'x' } });
    const blob = await evil.git('rev-parse', 'main:a');
    const tree = (
      await promisify(execFile)('sh', ['-c', `printf '100644 blob ${blob}\\t..\\n' | git -C '${evil.path}' mktree`], {
        env: gitTestEnvironment(directory),
      })
    ).stdout.trim();
    const commit = await evil.git(
      '-c',
      'user.name=Ann',
      '-c',
      'user.email=a@mail.example',
      'commit-tree',
      '-m',
      'evil',
      tree,
    );
    await evil.git('update-ref', 'refs/heads/main', commit);
    await git('clone', '--quiet', '--no-checkout', evil.url, 'clone');
    expect(last(await replay())).toMatchObject({
      opinion: 'Rejected',
      reason: expect.stringMatching(/hasDotdot|contains '\.\.'/),
    });
  });

  it('leaves no scratch files to other users and works in the directory it is given', async () => {
    await git('clone', '--quiet', tool.url, 'clone');
    const scratch = await session.context.scratch();
    expect(await readdir(scratch)).toEqual([]);
    expectAllApproved(await replay());
  });

  it('stops when the inspection is broken off', async () => {
    await git('clone', '--quiet', tool.url, 'clone');
    const config = { git: { urls: [`${server.url}/**`] } };
    await session.close();
    session = createFakeSession({
      inspectors: [gitSmartQuery(config), gitUploadPack(config)],
      signal: AbortSignal.abort(new Error('session revoked')),
    });
    await expect(replay()).rejects.toThrow('session revoked');
  });
});

function changed(body: Buffer, at: number): Buffer {
  const copy = Buffer.from(body);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
