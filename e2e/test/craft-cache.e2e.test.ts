import { createHash } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CraftReport } from '@waybill/contracts';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CraftUser } from './harness/craft.js';
import { type CraftProject, craftYaml, type ProjectFiles } from './harness/craft-project.js';
import { type CraftScene, openCraftScene, sceneProject, seenByUpstreams } from './harness/craft-scene.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { createTempDir } from './harness/temp-dir.js';

const keep = keepForFile();
const artifact = 'sample_1.0_here.tar.gz';

let scene: CraftScene;
beforeAll(async () => {
  scene = await openCraftScene(keep);
});

/** A machine's cache, which several users of a test share. */
async function cacheHome(): Promise<string> {
  return keepForTest(await createTempDir()).path;
}

interface Packing {
  readonly user: CraftUser;
  readonly project: CraftProject;
  readonly output: string;
  /** What reached upstreams meanwhile. */
  readonly requests: readonly string[];
}

/** Packs in a home and a directory of their own. */
async function packElsewhere(files: ProjectFiles, cache: string, ...args: string[]): Promise<Packing> {
  const user = await scene.user();
  const project = await user.project(files);
  return { user, project, ...(await packAgain(user, project, cache, ...args)) };
}

async function packAgain(user: CraftUser, project: CraftProject, cache: string, ...args: string[]) {
  const before = seenByUpstreams(scene);
  const ran = await user.craft(project, ['pack', ...args], { env: { XDG_CACHE_HOME: cache } });
  const output = ran.stdout + ran.stderr;
  expect(ran, output).toMatchObject({ code: 0 });
  return { output, requests: added(before, seenByUpstreams(scene)) };
}

/** What came to a list whose order is not that of time. */
function added(before: readonly string[], after: readonly string[]): string[] {
  const rest = [...before];
  return after.filter((line) => {
    const found = rest.indexOf(line);
    if (found >= 0) rest.splice(found, 1);
    return found < 0;
  });
}

const strict = ['--enable-fetch-service', '--cache'];
const identities = (report: CraftReport) =>
  [...new Set(report.dependencies.map((found) => found['component-id'].hashes.sha256))].sort();

describe('a strict pack of what was packed before, in another home and directory', () => {
  let first: Packing;
  let second: Packing;
  beforeAll(async () => {
    const shared = keep(await createTempDir()).path;
    first = await packElsewhere(sceneProject(scene), shared, ...strict);
    second = await packElsewhere(sceneProject(scene), shared, ...strict);
  });

  it('makes the same bytes', async () => {
    expect(await second.project.sha256(artifact)).toBe(await first.project.sha256(artifact));
    const without = await packElsewhere(sceneProject(scene), await cacheHome(), '--enable-fetch-service');
    expect(await without.project.sha256(artifact)).toBe(await first.project.sha256(artifact));
  });

  it('downloads nothing for parts whose sources are pinned', () => {
    expect(first.requests.filter((line) => line.includes(scene.npm.url))).not.toEqual([]);
    expect(second.requests.filter((line) => line.includes(scene.npm.url))).toEqual([]);
    expect(second.requests.filter((line) => line.includes(scene.files.url))).toEqual([]);
    expect(second.output).toMatch(/build web from cache \(local cache\)/);
    expect(second.output).toMatch(/pull {2}data from cache/);
    // A branch and packages are pulled: only that shows whether they are the same.
    expect(second.output).toMatch(/^pull {2}theme$/m);
    expect(second.output).toMatch(/build theme from cache/);
  });

  it('reports what those parts are made of, marked with the record of their build', async () => {
    const [before, after] = await Promise.all([first, second].map(({ project }) => project.report(`${artifact}.json`)));
    if (!before || !after) throw new Error('two reports');
    expect(before.dependencies.filter(({ recorded }) => recorded)).toEqual([]);
    expect(before['cached-parts']).toBeUndefined();
    // What is pulled again may come in other bytes, such as git's packs; what is not must all be there.
    expect(identities(after)).toEqual(expect.arrayContaining(identities(before)));
    const recorded = after.dependencies.filter((found) => found.recorded);
    expect(recorded.map((found) => found['component-name'])).toEqual(expect.arrayContaining(['left', '@scope/right']));
    for (const found of recorded) {
      expect(found.recorded).toMatchObject({ policy: 'strict', 'session-id': before['session-id'] });
    }
    expect(after['session-id']).not.toBe(before['session-id']);
  });

  it('holds the records themselves, each with the digest that names it', async () => {
    const report = await second.project.report(`${artifact}.json`);
    const parts = report['cached-parts'] ?? [];
    expect(parts.map(({ part }) => part).sort()).toEqual(['data', 'greeter', 'theme', 'web']);
    for (const { part, recorded, record } of parts) {
      const bytes = JSON.stringify(sortKeys(record));
      expect(createHash('sha256').update(bytes).digest('hex'), part).toBe(recorded.record);
      expect(record.steps.every((step) => step.part === part)).toBe(true);
    }
    const web = parts.find(({ part }) => part === 'web')?.record;
    expect(web?.artifacts.every(({ result }) => result === 'Approved')).toBe(true);
    expect(web?.artifacts.flatMap(({ downloads }) => downloads.map(({ url }) => url)).join()).not.toContain('git');
  });

  it('says so where people read it', async () => {
    const shown = await second.user.craft(second.project, ['report', `${artifact}.json`]);
    expect(shown.stdout).toMatch(
      /^Part web from the local cache, built .* with \d+ artifacts \(record [0-9a-f]{16}\)$/m,
    );
  });
});

describe('what a cache is asked for', () => {
  const small = (text = 'one\n'): ProjectFiles => ({
    'craft.yaml': craftYaml({
      app: {
        plugin: 'nil',
        after: ['lib'],
        'override-build': 'cp "$CRAFT_STAGE/lib.txt" "$CRAFT_PART_INSTALL/app.txt"',
      },
      lib: { plugin: 'dump', source: 'lib' },
    }),
    'lib/lib.txt': text,
  });

  it('is nothing unless the user wants it', async () => {
    const cache = await cacheHome();
    await packElsewhere(small(), cache);
    const again = await packElsewhere(small(), cache);
    expect(again.output).not.toContain('from cache');
    expect(await readdir(cache)).toEqual([]);
  });

  it('is never, in a strict session, what was built without one', async () => {
    const cache = await cacheHome();
    await packElsewhere(small(), cache, '--cache');
    expect((await packElsewhere(small(), cache, '--cache')).output).toContain('build app from cache');
    expect((await packElsewhere(small(), cache, ...strict)).output).not.toContain('from cache');
    expect((await packElsewhere(small(), cache, ...strict)).output).toContain('build app from cache');
  });

  it('is the parts that did not change, and explain says what did', async () => {
    const cache = await cacheHome();
    const { user, project } = await packElsewhere(small(), cache, '--cache');
    await project.write({ 'lib/lib.txt': 'two\n' });
    const env = { XDG_CACHE_HOME: cache };
    const lib = await user.craft(project, ['cache', 'explain', 'lib'], { env });
    expect(lib.stdout).toMatch(
      /differs from the last build here, [0-9a-f]{64}, in\n {4}source\.tree\n {6}before .*\n {6}now/,
    );
    const app = await user.craft(project, ['cache', 'explain', 'app', '--format', 'json'], { env });
    expect(JSON.parse(app.stdout).parts[0].before.differences).toMatchObject([{ field: 'dependencies.lib.key' }]);
    await packAgain(user, project, cache, '--cache');
    expect((await user.craft(project, ['cache', 'explain', 'lib'], { env })).stdout).toContain(
      'the same as the last build',
    );
    const elsewhere = await packElsewhere(small('two\n'), cache, '--cache');
    expect(elsewhere.output).toContain('build app from cache');
  });

  it('may be damaged: then it is built', async () => {
    const cache = await cacheHome();
    const first = await packElsewhere(small(), cache, ...strict);
    for (const entry of await readdir(cache, { withFileTypes: true, recursive: true })) {
      if (entry.isFile()) await writeFile(join(entry.parentPath, entry.name), 'damaged');
    }
    const second = await packElsewhere(small(), cache, ...strict);
    expect(await second.project.sha256(artifact)).toBe(await first.project.sha256(artifact));
  });

  it('lies where no build sees it, also where a build could look', async () => {
    const user = await scene.user();
    const look = (more: string) => ({
      'craft.yaml': craftYaml({
        app: {
          plugin: 'nil',
          'override-build': `ls -A "$CRAFT_PROJECT_DIR/kept" > "$CRAFT_PART_INSTALL/seen"; echo ${more} >> "$CRAFT_PART_INSTALL/seen"`,
        },
      }),
    });
    const project = await user.project(look('one'));
    await writeFile(user.at('config/waybill/craft.yaml'), JSON.stringify({ cache: { directory: project.at('kept') } }));
    const cache = await cacheHome();
    await packAgain(user, project, cache);
    expect(await readdir(project.at('kept'))).not.toEqual([]);
    await project.write(look('two'));
    await packAgain(user, project, cache);
    expect(await project.read('prime/seen')).toBe('two\n');
  });

  it('may be on a server that is down: one warning, and the build goes on', async () => {
    const cache = await cacheHome();
    const user = await scene.user();
    await writeFile(
      user.at('config/waybill/craft.yaml'),
      'artifacts: {servers: [{url: "http://127.0.0.1:9/main", push: true}]}\n',
    );
    const project = await user.project(small());
    const { output } = await packAgain(user, project, cache);
    expect(output.match(/^warning: .*127\.0\.0\.1:9/gm)).toHaveLength(1);
    const pushed = await user.craft(project, ['cache', 'push'], { env: { XDG_CACHE_HOME: cache } });
    expect(pushed).toMatchObject({ code: 1, stderr: expect.stringContaining('CRAFT_CACHE_FAILED') });
  });
});

describe('craft cache', () => {
  const files: ProjectFiles = {
    'craft.yaml': craftYaml({ app: { plugin: 'dump', source: 'app' }, lib: { plugin: 'dump', source: 'lib' } }),
    'app/a.txt': 'a\n',
    'lib/l.txt': 'l\n',
  };
  it('shows, lists and removes what there is', async () => {
    const cache = await cacheHome();
    const { user, project } = await packElsewhere(files, cache, ...strict);
    const craft = async (...args: string[]) =>
      user.craft(project, ['cache', ...args], { env: { XDG_CACHE_HOME: cache } });
    const shown = JSON.parse((await craft('show', '--enable-fetch-service', '--format', 'json')).stdout);
    expect(shown).toMatchObject({ command: 'cache', action: 'show', ok: true });
    expect(shown.parts).toMatchObject([
      {
        part: 'app',
        key: expect.stringMatching(/^[0-9a-f]{64}$/),
        artifact: { session: 'strict', origin: 'local', files: 1 },
      },
      { part: 'lib', artifact: { record: expect.stringMatching(/^[0-9a-f]{64}$/) } },
    ]);
    expect((await craft('list')).stdout.trim().split('\n')).toHaveLength(2);
    expect((await craft('pull', 'app')).stdout).toMatch(/^app {2}in the local cache$/m);
    expect((await craft('rm', 'app')).stdout).toMatch(/^[0-9a-f]{16} {2}app/);
    expect((await craft('pull', 'app')).stdout).toMatch(/^app {2}nobody has it$/m);
    expect(JSON.parse((await craft('list', '--format', 'json')).stdout).artifacts).toMatchObject([{ part: 'lib' }]);
    expect(await craft('push', 'lib')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('CRAFT_CACHE_FAILED'),
    });
    expect(await craft('show', 'other')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('CRAFT_PART_UNKNOWN'),
    });
    expect(await craft('frob')).toMatchObject({ code: 64 });
  });

  it('refuses a configuration with mistakes, with the place', async () => {
    const user = await scene.user();
    await writeFile(user.at('config/waybill/craft.yaml'), 'cache:\n  quota: much\n');
    const ran = await user.craft(await user.project(files), ['pack']);
    expect(ran).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/craft\.yaml:2:\d+: .*\n?.*CRAFT_CONFIG_INVALID/),
    });
  });
});

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sortKeys(member)]));
}
