import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type GitServer, gitTestEnvironment, startGitServer } from '@waybill/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { craftInspectors } from '../src/craft/project-files.js';
import { gitSmartQuery } from '../src/git/smart-query.js';
import { gitUploadPack } from '../src/git/upload-pack.js';
import { goModuleGit } from '../src/go/git-module.js';
import { createFakeSession, type FakeDownload } from './fake-session.js';

let server: GitServer;
let directory: string;
beforeAll(async () => {
  server = await startGitServer();
  directory = await mkdtemp(join(tmpdir(), 'waybill-craft-test-'));
});
afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

let count = 0;
interface Options {
  readonly crafts?: readonly string[];
  readonly imports?: readonly string[];
  readonly permissive?: boolean;
  readonly tag?: string;
  readonly cloneArgs?: readonly string[];
}

/** Clones a repository with these files with the real git, and looks at what the server answered. */
async function cloned(files: Readonly<Record<string, string>>, options: Options = {}): Promise<FakeDownload> {
  const name = `repository-${count++}`;
  const repository = await server.createRepository(`${name}.git`, { config: { 'uploadpack.allowFilter': 'true' } });
  await repository.commit({ files, ...(options.tag && { tag: options.tag }) });
  const config = {
    git: { urls: [`${server.url}/**`] },
    crafts: { urls: [...(options.crafts ?? [`${server.url}/**`])] },
    go: { proxies: {}, 'sum-databases': {}, unlisted: [], imports: [...(options.imports ?? [])] },
  };
  const session = createFakeSession({
    inspectors: [gitSmartQuery(config), gitUploadPack(config), ...craftInspectors(config), goModuleGit(config)],
    permissive: options.permissive === true,
  });
  const before = server.exchanges.length;
  const target = join(directory, name);
  const args = ['clone', '--quiet', ...(options.cloneArgs ?? ['--depth=1']), `${server.url}/${name}.git`, target];
  await promisify(execFile)('git', args, { cwd: directory, env: gitTestEnvironment(directory) });
  let last: FakeDownload | undefined;
  for (const { method, url, requestHeaders, requestBody, answer } of server.exchanges.slice(before)) {
    last = await session.download(
      { method, url, headers: requestHeaders, body: requestBody },
      { body: answer.body, headers: answer.headers as Record<string, string> },
    );
  }
  await session.close();
  return last as FakeDownload;
}

const project = 'name: sample\nversion: "1.5"\nsummary: A sample\nlicense: Apache-2.0\n';

describe('projects of craft tools in what git fetched', () => {
  it.each([
    ['sourcecraft', 'sourcecraft.yaml'],
    ['rockcraft', 'rockcraft.yaml'],
    ['snapcraft', 'snapcraft.yaml'],
    ['snapcraft', 'snap/snapcraft.yaml'],
    ['snapcraft', 'build-aux/snap/snapcraft.yaml'],
    ['charmcraft', 'charmcraft.yaml'],
    ['bincraft', 'bincraft.yaml'],
  ])('craft.%s reads %s', async (tool, path) => {
    const { artifact, result } = await cloned({ [path]: project, 'README.md': 'x' });
    expect(result).toBe('Approved');
    expect(artifact.get(`craft.${tool}`)).toMatchObject({
      opinion: 'Approved',
      metadata: {
        type: `application/x.canonical.${tool}`,
        name: 'sample',
        version: '1.5',
        description: 'A sample',
        license: 'Apache-2.0',
        'content-id': expect.stringMatching(/^[0-9a-f]{40}$/),
      },
      vouchedBy: [{ kind: 'origin', id: 'crafts.urls[0]' }],
    });
    const others = [...artifact.keys()].filter((id) => id.startsWith('craft.') && id !== `craft.${tool}`);
    expect(others).toEqual([]);
  });

  it.each([
    ['no YAML', 'a: [', /no YAML/],
    ['a list', '- a', /no YAML mapping/],
    ['nested without end', '['.repeat(10_000), /nested too deep/],
    ['longer than anybody writes', `a: ${'x'.repeat(2 ** 20)}`, /a file of \d+ bytes/],
  ])('refuses a project that is %s', async (_name, text, reason) => {
    const { artifact, result } = await cloned({ 'rockcraft.yaml': text });
    expect(artifact.get('craft.rockcraft')).toMatchObject({
      opinion: 'Rejected',
      reason: expect.stringMatching(reason),
    });
    expect(result).toBe('Rejected');
  });

  it('has nothing to say of a repository without a project, or of a directory of that name', async () => {
    const { artifact, result } = await cloned({ 'README.md': 'x', 'rockcraft.yaml/x': 'y' });
    expect([...artifact.keys()].filter((id) => id.startsWith('craft.'))).toEqual([]);
    expect(result).toBe('Approved');
  });

  it('does not claim repositories that crafts.urls does not allow, and notes them in permissive sessions', async () => {
    const files = { 'rockcraft.yaml': project };
    const strict = await cloned(files, { crafts: [] });
    expect(strict.request.has('craft.rockcraft')).toBe(false);
    const permissive = await cloned(files, { crafts: [], permissive: true });
    expect(permissive.artifact.get('craft.rockcraft')).toMatchObject({ opinion: 'Unknown' });
  });

  it('has nothing to say when the content was left out on request', async () => {
    const { artifact } = await cloned(
      { 'rockcraft.yaml': project },
      { cloneArgs: ['--filter=blob:none', '--no-checkout'] },
    );
    expect(artifact.has('craft.rockcraft')).toBe(false);
    expect(artifact.get('git.upload-pack')?.opinion).toBe('Approved');
  });
});

describe('go.module.git', () => {
  const mod = { 'go.mod': 'module mod.example/team/tool\n\ngo 1.24\n' };
  const imports = ['https://mod.example/**'];

  it('names a module at its tag', async () => {
    const { artifact } = await cloned(mod, { imports, tag: 'v1.2.3', cloneArgs: ['--depth=1', '--branch=v1.2.3'] });
    expect(artifact.get('go.module.git')).toMatchObject({
      opinion: 'Approved',
      metadata: {
        type: 'application/x.go.module.git-repo',
        name: 'tool',
        vendor: 'mod.example/team',
        version: 'v1.2.3',
        purl: 'pkg:golang/mod.example/team/tool@v1.2.3',
      },
    });
  });

  it.each([
    ['a revision without a tag', mod, undefined, /no tag points to/],
    ['no go.mod', { 'README.md': 'x' }, 'v1.0.0', /no go.mod/],
    ['a go.mod without a module', { 'go.mod': 'go 1.24\n' }, 'v1.0.0', /no go.mod/],
    ['a path that is none', { 'go.mod': 'module "a//b"\n' }, 'v1.0.0', /no go.mod/],
  ])('approves nothing of its own with %s', async (_name, files, tag, reason) => {
    const { artifact, result } = await cloned(files, { imports, ...(tag && { tag }) });
    expect(artifact.get('go.module.git')).toMatchObject({ opinion: 'Unknown', reason: expect.stringMatching(reason) });
    // The pack itself is what was asked for.
    expect(result).toBe('Approved');
  });

  it('claims nothing where no page leads to repositories', async () => {
    const { request, artifact } = await cloned(mod, { tag: 'v1.0.0' });
    expect([request.has('go.module.git'), artifact.has('go.module.git')]).toEqual([false, false]);
  });
});
