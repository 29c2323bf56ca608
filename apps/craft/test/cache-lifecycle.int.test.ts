import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cache, openCache } from '@waybill/cache-client';
import type { SessionReport } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AcceptRules } from '../src/cache/cache-policy.js';
import type { SessionClass } from '../src/cache/key-document.js';
import { type BuildCache, openPartCache } from '../src/cache/part-cache.js';
import type { LifecycleContext } from '../src/lifecycle/context.js';
import { runLifecycle } from '../src/lifecycle/run-lifecycle.js';
import { silentProgress } from '../src/output/progress.js';
import { packTar } from '../src/pack/pack-tar.js';
import { createFixture, type Fixture } from './build-fixture.js';
import { emptyReport, sampleArtifact } from './sample-report.js';

let home: string;
let cache: Cache;
let fixtures: Fixture[];
let notes: string[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'craft-cache-'));
  cache = await openCache({ local: { dir: join(home, 'artifacts') } });
  fixtures = [];
  notes = [];
});
afterEach(async () => {
  await cache.close();
  for (const fixture of fixtures) await fixture.remove();
  await rm(home, { recursive: true, force: true });
});

/** Another directory with the same project. */
async function checkout(files: Record<string, string> = {}): Promise<Fixture> {
  const fixture = await createFixture();
  fixtures.push(fixture);
  await fixture.files({ 'src/a.txt': 'a\n', 'src/run.sh*': 'true\n', ...files });
  return fixture;
}

interface Run {
  readonly context: LifecycleContext;
  readonly cache: BuildCache;
  readonly steps: readonly string[];
}

interface RunOptions {
  readonly session?: SessionClass;
  readonly rules?: AcceptRules;
  readonly cached?: boolean;
  readonly report?: (context: LifecycleContext) => SessionReport;
}

/** What `craft pack` does between opening the environment and packing. */
async function build(fixture: Fixture, yaml: string, options: RunOptions = {}): Promise<Run> {
  const { session = 'none', rules = {}, cached = true } = options;
  const tell = (text: string) => void notes.push(text);
  const context = fixture.context(yaml, { progress: { ...silentProgress, note: tell, warn: tell } });
  const parts = openPartCache(context, { cache, session, rules, push: 'never' });
  await runLifecycle(cached ? { ...context, cache: parts } : context, 'prime');
  if (cached) await parts.store(options.report?.(context));
  return { context, cache: parts, steps: context.steps };
}

async function packed(run: Run): Promise<string> {
  const file = join(home, `${createHash('sha256').update(run.context.layout.prime).digest('hex')}.tar.gz`);
  await rm(file, { force: true });
  await packTar(run.context.layout.prime, file, { mtime: new Date(315_532_800_000) });
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}

const yaml = (more = '') => `parts:
  app:
    plugin: dump
    source: src
    organize: {a.txt: share/a.txt}
    override-build: |
      craftctl default
      ln -s a.txt share-link 2>/dev/null || true
      date +%N > unused
      echo built > "$CRAFT_PART_INSTALL/built"
      ln -s built "$CRAFT_PART_INSTALL/link"
      mkdir -p "$CRAFT_PART_INSTALL/empty"
${more}`;

const fresh = ['run pull app', 'run build app', 'run stage app', 'run prime app'];
const taken = ['cached pull app', 'cached build app', 'run stage app', 'run prime app'];

describe('a part that was built before', () => {
  it('is taken from the cache elsewhere, and packs to the same bytes', async () => {
    const first = await build(await checkout(), yaml());
    expect(first.steps).toEqual(fresh);
    const second = await build(await checkout(), yaml());
    expect(second.steps).toEqual(taken);
    const without = await build(await checkout(), yaml(), { cached: false });
    expect(without.steps).toEqual(fresh);
    expect(new Set([await packed(first), await packed(second), await packed(without)]).size).toBe(1);
    expect(await fixtures[1]?.tree('prime')).toEqual(await fixtures[2]?.tree('prime'));
    expect(notes).toEqual([]);
  });

  it('is built again when its source is another one', async () => {
    await build(await checkout(), yaml());
    expect((await build(await checkout({ 'src/a.txt': 'b\n' }), yaml())).steps).toEqual(fresh);
  });

  it('is not asked for when it is there already', async () => {
    const fixture = await checkout();
    await build(fixture, yaml());
    const again = await build(fixture, yaml());
    expect(again.steps).toEqual(['skip pull app', 'skip build app', 'skip stage app', 'skip prime app']);
  });

  it('is pulled after all when its build has to run', async () => {
    await build(await checkout(), yaml());
    const fixture = await checkout();
    await build(fixture, yaml());
    const changed = yaml('    build-environment: [{A: b}]\n');
    const run = await build(fixture, changed);
    expect(run.steps).toEqual(['skip pull app', 'rerun pull app', 'rerun build app', 'run stage app', 'run prime app']);
    expect(await fixture.read('prime/share/a.txt')).toBe('a\n');
    // A run without any cache does the same.
    const other = await checkout();
    await build(other, yaml());
    const plain = await build(other, yaml('    build-environment: [{A: c}]\n'), { cached: false });
    expect(plain.steps.slice(0, 3)).toEqual(['skip pull app', 'rerun pull app', 'rerun build app']);
    expect(await other.read('prime/share/a.txt')).toBe('a\n');
  });

  it('brings what its scripts set', async () => {
    const text = `adopt-info: app\n${yaml()}      craftctl set summary="of the build"\n`;
    await build(await checkout(), text);
    const run = await build(await checkout(), text);
    expect(run.steps).toEqual(taken);
    expect(run.context.variables.get('summary')).toBe('of the build');
  });

  it('is built again when the cache is damaged', async () => {
    await build(await checkout(), yaml());
    for (const entry of await readdir(join(home, 'artifacts'), { withFileTypes: true, recursive: true })) {
      if (entry.isFile()) await writeFile(join(entry.parentPath, entry.name), 'damaged');
    }
    const fixture = await checkout();
    const run = await build(fixture, yaml());
    expect(run.steps.slice(-4)).toEqual(fresh.map((step) => expect.stringMatching(step.replace('run ', '(re)?run '))));
    expect(await fixture.read('prime/share/a.txt')).toBe('a\n');
  });

  it('is taken only where it was built when it names that directory', async () => {
    const text = yaml('      echo "$CRAFT_PART_INSTALL" > "$CRAFT_PART_INSTALL/where"\n');
    const fixture = await checkout();
    await build(fixture, text);
    expect((await build(await checkout(), text)).steps).toEqual(fresh);
    for (const name of ['parts', 'stage', 'prime', '.craft'])
      await rm(join(fixture.dir, name), { recursive: true, force: true });
    expect((await build(fixture, text)).steps).toEqual(taken);
  });

  it('is not taken when a later script looks into its source', async () => {
    const text = yaml('    override-prime: |\n      craftctl default\n      cp "$CRAFT_PART_SRC/a.txt" copied\n');
    await build(await checkout(), text);
    const fixture = await checkout();
    expect((await build(fixture, text)).steps).toEqual(fresh);
    expect(await fixture.read('prime/copied')).toBe('a\n');
  });

  it('is not stored when something changed what it installed', async () => {
    const text = `${yaml()}    override-stage: |\n      craftctl default\n      echo more >> "$CRAFT_PART_INSTALL/built"\n`;
    await build(await checkout(), text);
    expect(notes.join()).toContain('something changed what it installed');
    expect(await cache.list()).toEqual([]);
  });
});

describe('parts that come after each other', () => {
  const both = (lib: string) => `parts:
  app:
    plugin: nil
    after: [lib]
    override-build: cp "$CRAFT_STAGE/lib.txt" "$CRAFT_PART_INSTALL/app.txt"
  lib:
    plugin: nil
    override-build: echo ${lib} > "$CRAFT_PART_INSTALL/lib.txt"
`;

  it('are both taken', async () => {
    await build(await checkout(), both('one'));
    const run = await build(await checkout(), both('one'));
    expect(run.steps.filter((step) => step.startsWith('cached'))).toHaveLength(4);
  });

  it('are taken also where one below is never stored', async () => {
    const text = `${both('one')}    override-stage: |\n      craftctl default\n      ls "$CRAFT_PART_SRC"\n`;
    await build(await checkout(), text);
    const run = await build(await checkout(), text);
    expect(run.steps.filter((step) => step.startsWith('cached'))).toEqual(['cached pull app', 'cached build app']);
  });

  it('are not stored on top of what other tools left over', async () => {
    const fixture = await checkout();
    await build(fixture, both('one'), { cached: false });
    await rm(join(fixture.dir, '.craft/work/state/app'), { recursive: true });
    const run = await build(fixture, both('one'));
    expect(run.steps).toContain('run build app');
    expect(run.steps).toContain('skip build lib');
    expect(await cache.list()).toEqual([]);
  });

  it('are both built when the one below changed', async () => {
    await build(await checkout(), both('one'));
    const fixture = await checkout();
    const run = await build(fixture, both('two'));
    expect(run.steps.filter((step) => step.startsWith('cached'))).toEqual([]);
    expect(await fixture.read('prime/app.txt')).toBe('two\n');
  });
});

describe('what a session takes', () => {
  const strict = (context: LifecycleContext): SessionReport => {
    const artifact = sampleArtifact('left');
    const own = context.timeline.intervals.find(({ step }) => step === 'build')?.start ?? new Date(0);
    const [download] = artifact.downloads;
    const during = download && { ...download, 'start-time': own.toISOString() };
    return {
      ...(emptyReport() as SessionReport),
      policy: 'strict',
      artifacts: [{ ...artifact, downloads: [download, during].flatMap((one) => one ?? []) }],
    };
  };

  it('is what a session built, and never what was built without', async () => {
    await build(await checkout(), yaml());
    expect((await build(await checkout(), yaml(), { session: 'strict', report: strict })).steps).toEqual(fresh);
    expect((await build(await checkout(), yaml(), { session: 'strict' })).steps).toEqual(taken);
    expect((await build(await checkout(), yaml(), { session: 'permissive' })).steps).toEqual(taken);
    expect((await build(await checkout(), yaml())).steps).toEqual(taken);
  });

  it('comes with the record of its build: downloads of its own steps, no others', async () => {
    await build(await checkout(), yaml(), { session: 'strict', report: strict });
    const run = await build(await checkout(), yaml(), { session: 'strict' });
    const [part] = run.cache.cachedParts();
    expect(part).toMatchObject({ part: 'app', origin: 'local', recorded: { policy: 'strict', 'session-id': 's1' } });
    expect(part?.record.artifacts.map(({ metadata }) => metadata.name)).toEqual(['left']);
    expect(part?.record.artifacts[0]?.downloads).toHaveLength(1);
    const text = JSON.stringify(sortKeys(part?.record));
    expect(createHash('sha256').update(text).digest('hex')).toBe(part?.recorded.record);
  });

  it('is not stored when its report was of another policy than the session', async () => {
    const report = (context: LifecycleContext) => ({ ...strict(context), policy: 'permissive' as const });
    await build(await checkout(), yaml(), { session: 'strict', report });
    expect(await cache.list()).toEqual([]);
  });

  it('is only what strict sessions built, when the user wants that', async () => {
    await build(await checkout(), yaml());
    expect((await build(await checkout(), yaml(), { rules: { 'strict-only': true } })).steps).toEqual(fresh);
  });
});

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sortKeys(member)]));
}
