import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type GoScene, getModules, goPaths, openGoScene } from './harness/go-scene.js';
import { keepForFile } from './harness/keep.js';
import { artifactAt, chainsOf, downloadsOf, pathOf, sha256 } from './harness/report.js';

const keep = keepForFile();
let scene: GoScene;

beforeAll(async () => {
  scene = await openGoScene(keep);
});
beforeEach(() => scene.upstream.tamper(undefined));

describe('Go modules in a strict session', () => {
  it('go get: the modules of go.sum, proven by the checksum database down to its key (promises 1, 2)', async () => {
    const { daemon, upstream, leaf, middle } = scene;
    const before = upstream.requests.length;
    const session = await daemon.createSession('strict');
    const client = await scene.client(session);
    const ran = await getModules(client);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    const sums = await readFile(join(client.dir, 'go.sum'), 'utf8');
    expect(sums.trim().split('\n').sort()).toEqual((leaf.lines + middle.lines).trim().split('\n').sort());

    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const downloads = downloadsOf(report);
    expect(downloads.every(({ result, artifact }) => result === 'Approved' && artifact.result === 'Approved')).toBe(
      true,
    );
    // go also asks whether shorter paths are modules, and whether the proxy knows the database: answers without a body.
    const answered = [...downloads, ...report.responses].map(({ url }) => pathOf(url));
    for (const line of upstream.requests.slice(before)) expect(answered).toContain(line.split(' ')[1]);
    for (const { path, zip, sums: own } of [leaf, middle]) {
      const artifact = artifactAt(report, `/proxy/${path}/@v/v1.0.0.zip`);
      expect(artifact.metadata).toMatchObject({ sha256: sha256(zip), name: path, version: 'v1.0.0' });
      expect(artifact['response-inspection']['go.zip']?.annotations?.h1).toBe(own.zip);
      expect(chainsOf(artifact)).toEqual([
        expect.stringMatching(new RegExp(`^go\\.sumdb:checksums of ${path}@v1\\.0\\.0 ← key:`)),
      ]);
    }
  });

  it('what was downloaded is what go then builds without a network', async () => {
    const session = await scene.daemon.createSession('strict');
    const client = await scene.client(session);
    expect(await getModules(client)).toMatchObject({ code: 0 });
    await session.finish();
    const built = await client.run(
      'env',
      'GOPROXY=off',
      'GOCACHE=/nonexistent',
      'go',
      'list',
      '-deps',
      '-f',
      '{{.ImportPath}}',
      '.',
    );
    expect(built, built.stderr).toMatchObject({ code: 0 });
    expect(built.stdout).toContain('vcs.example/leaf.git\n');
  });

  it('with its go.sum go asks no database; the session does, and vouches all the same', async () => {
    const { daemon, leaf, middle } = scene;
    const session = await daemon.createSession('strict');
    const client = await scene.client(session);
    await writeFile(join(client.dir, 'go.sum'), leaf.lines + middle.lines);
    const ran = await getModules(client);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const lookups = downloadsOf(report).filter(({ url }) => pathOf(url) === goPaths.lookup);
    expect(lookups.map(({ delivery }) => delivery)).toEqual(['companion']);
  });

  it('a module that the database does not know is refused, with what to do', async () => {
    const { daemon, upstream, foreign } = scene;
    const unknown = '/proxy/vcs.example/unknown.git/@v/v1.0.0';
    upstream.put(`${unknown}.info`, foreign.info, 'application/json');
    upstream.put(`${unknown}.mod`, 'module vcs.example/unknown.git\n', 'text/plain');
    const session = await daemon.createSession('strict');
    const client = await scene.client(session);
    const ran = await client.run('go', 'mod', 'download', 'vcs.example/unknown.git@v1.0.0');
    expect(ran.code).not.toBe(0);
    expect(ran.stderr).toMatch(/403 Forbidden/);
    expect(ran.stderr).toContain('go.unlisted');
    const report = await session.finish();
    expect(report.refusals[0]).toMatchObject({ inspector: 'go.mod', delivered: false });
  });
});
