import { writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { type CacheServer, startCacheServer } from './harness/cache-server.js';
import type { CraftUser } from './harness/craft.js';
import { type CraftProject, craftYaml, type ProjectFiles } from './harness/craft-project.js';
import { type CraftScene, openCraftScene } from './harness/craft-scene.js';
import { keepForFile } from './harness/keep.js';

const keep = keepForFile();
const artifact = 'sample_1.0_here.tar.gz';

const files: ProjectFiles = {
  'craft.yaml': craftYaml({
    web: { plugin: 'npm', source: 'web' },
    about: {
      plugin: 'nil',
      after: ['web'],
      'override-build': 'ls "$CRAFT_STAGE/lib/node_modules" > "$CRAFT_PART_INSTALL/about.txt"',
    },
  }),
  'web/package.json': {
    name: 'tool',
    version: '3.0.0',
    bin: { tool: 'cli.js' },
    files: ['cli.js'],
    dependencies: { left: '^1.0.0' },
  },
  'web/cli.js': '#!/usr/bin/env node\nconsole.log(require("left"));\n',
};

let scene: CraftScene;
let server: CacheServer;
let tokens: { readonly ci: string; readonly reader: string };
beforeAll(async () => {
  scene = await openCraftScene(keep);
  server = keep(await startCacheServer({ anonymous: 'read' }));
  tokens = { ci: await server.token('ci', 'main=write'), reader: await server.token('reader', 'main=read') };
});

interface Member {
  readonly user: CraftUser;
  readonly project: CraftProject;
}

/** A user with a home, a local cache and a directory of the project of their own. */
async function member(options: { token?: string; push?: boolean; cache?: object; url?: string } = {}): Promise<Member> {
  const user = await scene.user();
  if (options.token) await writeFile(user.at('config/waybill/token'), options.token);
  const one = {
    url: options.url ?? server.origin,
    'instance-name': 'main',
    push: options.push ?? false,
    ...(options.token ? { auth: { 'access-token': 'token' } } : {}),
  };
  const config = { artifacts: { servers: [one] }, cache: options.cache ?? {} };
  await writeFile(user.at('config/waybill/craft.yaml'), JSON.stringify(config));
  return { user, project: await user.project(files) };
}

async function pack({ user, project }: Member, ...args: string[]) {
  const before = scene.npm.requests.length;
  const ran = await user.craft(project, ['pack', '--enable-fetch-service', ...args]);
  const output = ran.stdout + ran.stderr;
  expect(ran, output).toMatchObject({ code: 0 });
  return { output, npm: scene.npm.requests.slice(before) };
}

describe('a team with a server', () => {
  let first: Member;
  let pushed: string;
  beforeAll(async () => {
    first = await member({ token: tokens.ci, push: true });
    pushed = (await pack(first)).output;
  });

  it('pushes what it built in a strict session', () => {
    expect(pushed).toMatch(/^pushed part web to http:\/\/127\.0\.0\.1:\d+\/main \(.*\)$/m);
    expect(pushed).toMatch(/^pushed part about to /m);
    expect(pushed).not.toContain('warning:');
  });

  it('takes it elsewhere without a download, with the same bytes and the same record', async () => {
    const second = await member();
    const { output, npm } = await pack(second);
    expect(npm).toEqual([]);
    expect(output).toMatch(/^build web from cache \(http:\/\/127\.0\.0\.1:\d+\/main\)$/m);
    expect(await second.project.sha256(artifact)).toBe(await first.project.sha256(artifact));
    const [before, after] = [
      await first.project.report(`${artifact}.json`),
      await second.project.report(`${artifact}.json`),
    ];
    expect(after.artifacts).toEqual([]);
    const digests = (report: typeof before) =>
      report.dependencies.map((one) => one['component-id'].hashes.sha256).sort();
    expect(digests(after)).toEqual(digests(before));
    for (const { recorded } of after.dependencies)
      expect(recorded).toMatchObject({ part: 'web', 'session-id': before['session-id'], policy: 'strict' });
    expect(after['cached-parts']).toMatchObject([
      {
        part: 'web',
        origin: `${server.origin}/main`,
        namespace: 'main',
        writer: 'ci',
        'built-by': expect.stringContaining('craft'),
      },
      { part: 'about', namespace: 'main', writer: 'ci', recorded: { policy: 'strict' } },
    ]);
  });

  it.each([
    [
      'writers',
      { writers: ['alice'] },
      /part web is not taken from http.*: ci wrote it, whom cache\.accept\.writers does not name/,
    ],
    [
      'namespaces',
      { namespaces: ['release'] },
      /part web is not taken from http.*: it is in the namespace main, which cache\.accept\.namespaces/,
    ],
  ])('takes nothing that its rules on %s leave out, and says why', async (_, accept, reason) => {
    const careful = await member({ cache: { accept } });
    const { output, npm } = await pack(careful);
    expect(output.replace(/\n\s+/g, ' ')).toMatch(reason);
    expect(output).not.toContain('from cache');
    expect(npm).not.toEqual([]);
    expect(await careful.project.sha256(artifact)).toBe(await first.project.sha256(artifact));
  });

  it('goes on building when a push is refused: one warning', async () => {
    const reader = await member({ token: tokens.reader, push: true });
    await reader.project.write({ 'web/cli.js': '#!/usr/bin/env node\nconsole.log("another one");\n' });
    const { output } = await pack(reader);
    expect(output.match(/^warning: /gm)).toHaveLength(1);
    expect(output).not.toContain('pushed part');
    const ran = await reader.user.craft(reader.project, ['cache', 'push', '--enable-fetch-service']);
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('CRAFT_CACHE_FAILED') });
  });

  it('pulls, removes and pushes by hand', async () => {
    const { user, project } = await member({ token: tokens.ci, push: true });
    const craft = async (...args: string[]) => {
      const ran = await user.craft(project, ['cache', ...args, '--enable-fetch-service', '--format', 'json']);
      expect(ran, ran.stderr).toMatchObject({ code: 0 });
      return JSON.parse(ran.stdout).parts;
    };
    const shown = await craft('show');
    expect(shown.map((one: { artifact?: unknown }) => one.artifact)).toEqual([undefined, undefined]);
    expect(await craft('pull')).toMatchObject([
      { part: 'web', outcome: 'here', artifact: { origin: `${server.origin}/main`, session: 'strict' } },
      { part: 'about', outcome: 'here' },
    ]);
    expect(await craft('push', 'web')).toMatchObject([
      { part: 'web', outcome: 'exists', remote: `${server.origin}/main` },
    ]);
    expect((await user.craft(project, ['cache', 'rm'])).stdout.trim().split('\n')).toHaveLength(2);
    expect((await craft('show', 'web'))[0].artifact).toBeUndefined();
  });

  it('packs without the server as well', async () => {
    const gone = await startCacheServer();
    const alone = await member({ url: gone.origin, push: true });
    await gone.close();
    const { output } = await pack(alone);
    expect(output.match(/^warning: .*left out/gm)).toHaveLength(1);
    expect(await alone.project.sha256(artifact)).toBe(await first.project.sha256(artifact));
  });
});
