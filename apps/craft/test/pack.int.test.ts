import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, link, readdir, readFile, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runLifecycle } from '../src/lifecycle/run-lifecycle.js';
import { artifactTime, packArtifact } from '../src/pack/pack-artifact.js';
import { createFixture, type Fixture } from './build-fixture.js';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.remove());

const time = artifactTime({});
const yaml = 'summary: A sample\nlicense: Apache-2.0\nparts: {all: {plugin: dump, source: src}}';

async function writeSources(): Promise<void> {
  const long = `deep/${'d'.repeat(90)}/${'e'.repeat(120)}`;
  await fixture.files({
    'src/b/run*': '#!/bin/sh\n',
    'src/a': 'text',
    'src/@at': 'at',
    'src/-dash': 'dash',
    'src/é ü': 'umlaut',
    [`src/${long}`]: 'long',
  });
  await symlink('a', join(fixture.dir, 'src/link'));
}

describe('tar artifacts', () => {
  it('hold what was primed, with plain owners, modes and times', async () => {
    await writeSources();
    const context = fixture.context(yaml);
    await runLifecycle(context, 'prime');
    await link(join(fixture.dir, 'prime/a'), join(fixture.dir, 'prime/hard'));
    const artifact = await packArtifact(context, fixture.dir, time);
    expect(artifact.file).toBe('sample_1.0_amd64.tar.gz');
    const listing = execFileSync(
      'tar',
      ['-tvzf', artifact.path, '--numeric-owner', '--full-time', '--utc', '--quoting-style=literal'],
      { env: { ...process.env, LC_ALL: 'C.UTF-8' } },
    ).toString();
    const lines = listing
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/));
    expect(new Set(lines.map(([, owner]) => owner))).toEqual(new Set(['0/0']));
    expect(new Set(lines.map((line) => `${line[3]} ${line[4]}`))).toEqual(new Set(['1980-01-01 00:00:00']));
    expect(listing).toMatch(/^-rwxr-xr-x .* b\/run$/m);
    expect(listing).toMatch(/^-rw-r--r-- .* @at$/m);
    expect(listing).toMatch(/^lrwxr-xr-x .* link -> a$/m);
    const out = execFileSync('tar', [
      '-xzOf',
      artifact.path,
      '--',
      `deep/${'d'.repeat(90)}/${'e'.repeat(120)}`,
    ]).toString();
    expect(out).toBe('long');
  });

  it('are the same, bit for bit, wherever and whenever they are packed', async () => {
    await writeSources();
    const context = fixture.context(yaml);
    await runLifecycle(context, 'prime');
    const first = await packArtifact(context, join(fixture.dir, 'one').replace(/one$/, ''), time);
    const before = await readFile(first.path);
    await chmod(join(fixture.dir, 'prime/a'), 0o640);
    await utimes(join(fixture.dir, 'prime/a'), 5, 5);

    const other = await createFixture();
    for (const name of ['src/é ü', 'src/-dash', 'src/@at', 'src/a', 'src/b/run*']) {
      await other.files({ [name]: await fixture.read(name.replace(/\*$/, '')) });
    }
    const long = `src/deep/${'d'.repeat(90)}/${'e'.repeat(120)}`;
    await other.files({ [long]: 'long' });
    await symlink('a', join(other.dir, 'src/link'));
    const context2 = other.context(yaml);
    await runLifecycle(context2, 'prime');
    const second = await packArtifact(context2, other.dir, time);
    expect(second.sha256).toBe(first.sha256);
    await other.remove();

    const third = await packArtifact(context, fixture.dir, time);
    expect((await readFile(third.path)).equals(before)).toBe(true);
  });

  it('leave nothing of a craft that was killed while it packed', async () => {
    await writeSources();
    const context = fixture.context(yaml);
    await runLifecycle(context, 'prime');
    const id = randomUUID();
    const left = [`sample_1.0_amd64.tar.gz.${id}.part`, `sample_1.0_amd64.tar.gz.json.${id}.part`];
    const others = [`sample_1.0_arm64.tar.gz.${id}.part`, 'sample_1.0_amd64.tar.gz.mine.part'];
    await fixture.files({
      ...Object.fromEntries([...left, ...others].map((name) => [name, 'half'])),
      [`sample_1.0_amd64.oci.tar.${id}.part.layout/blobs/a`]: 'half',
    });
    await packArtifact(context, fixture.dir, time);
    const names = (await readdir(fixture.dir)).filter((name) => name.includes('.part'));
    expect(names.sort()).toEqual(others.sort());
  });

  it('take their time from SOURCE_DATE_EPOCH', async () => {
    expect(artifactTime({ SOURCE_DATE_EPOCH: '1700000000' }).toISOString()).toBe('2023-11-14T22:13:20.000Z');
    expect(() => artifactTime({ SOURCE_DATE_EPOCH: 'yesterday' })).toThrowError(
      expect.objectContaining({ code: 'CRAFT_USAGE' }),
    );
  });

  it('leave nothing behind when they cannot be written', async () => {
    const context = fixture.context(yaml);
    await expect(packArtifact(context, '/dev/null/x', time)).rejects.toMatchObject({ code: 'CRAFT_PACK_FAILED' });
    const aborted = fixture.context(yaml, { signal: AbortSignal.abort() });
    await expect(packArtifact(aborted, fixture.dir, time)).rejects.toThrow();
    expect(await readdir(fixture.dir)).toEqual(['prime']);
  });
});

describe('snap artifacts', () => {
  const snap = `type: snap
base: bare
summary: A sample
license: Apache-2.0
contact: a@mail.example
apps: {run: {command: b/run, plugs: [network]}}
parts: {all: {plugin: dump, source: src}}`;

  it('hold the files and meta/snap.yaml, and are the same when packed twice', async () => {
    await writeSources();
    const context = fixture.context(snap);
    await runLifecycle(context, 'prime');
    const first = await packArtifact(context, fixture.dir, time);
    expect(first.file).toBe('sample_1.0_amd64.snap');
    execFileSync('unsquashfs', ['-d', join(fixture.dir, 'out'), first.path], { stdio: 'pipe' });
    expect(await fixture.read('out/meta/snap.yaml')).toBe(`name: sample
version: "1.0"
summary: A sample
description: A sample
base: bare
architectures:
  - amd64
license: Apache-2.0
confinement: strict
grade: stable
apps:
  run:
    command: b/run
    plugs:
      - network
links:
  contact:
    - a@mail.example
`);
    expect(await fixture.read('out/a')).toBe('text');
    const second = await packArtifact(context, fixture.dir, time);
    expect(second.sha256).toBe(first.sha256);
  });

  it('say which program is missing', async () => {
    const context = fixture.context(snap);
    const path = process.env.PATH;
    process.env.PATH = '/nonexistent';
    try {
      await expect(packArtifact(context, fixture.dir, time)).rejects.toMatchObject({
        code: 'CRAFT_PROGRAM_MISSING',
        hint: expect.stringContaining('squashfs-tools'),
      });
    } finally {
      process.env.PATH = path;
    }
  });
});
