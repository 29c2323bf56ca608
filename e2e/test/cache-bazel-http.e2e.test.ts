import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bazelProject } from './harness/bazel-project.js';
import { type CacheMachine, createCacheMachine, needClient } from './harness/cache-machine.js';
import { type CacheServer, startCacheServer } from './harness/cache-server.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { type RecordingRelay, startRecordingRelay } from './harness/recording-relay.js';
import { spoilFiles } from './harness/spoil-files.js';

const keep = keepForFile();
let server: CacheServer;
let writer: string;
let reader: string;

beforeAll(async () => {
  server = keep(await startCacheServer());
  writer = await server.token('ci', '*=write');
  reader = await server.token('laptop', '*=read');
});
beforeEach((context) => needClient(context, 'bazel', 'tooling/ci/cache-clients.sh'));

const project = (): Promise<CacheMachine> =>
  createCacheMachine({
    ...bazelProject,
    BUILD:
      'genrule(name = "made", srcs = ["in.txt"], outs = ["made.txt"], cmd = "cat $< /proc/sys/kernel/random/uuid > $@")\n',
    'in.txt': 'input\n',
  });

/** A build that nothing but the cache makes give the same bytes twice. */
async function build(machine: CacheMachine, origin: string, token: string) {
  const cache = origin.replace('//', `//ci:${token}@`);
  const ran = await machine.run('bazel', [
    ...['--batch', `--output_user_root=${join(machine.home, 'bazel')}`, 'build', '--noshow_progress', '--color=no'],
    ...[`--remote_http_cache=${cache}`, '--spawn_strategy=standalone', '--genrule_strategy=standalone', '//:made'],
  ]);
  const made = await readFile(join(machine.project, 'bazel-bin/made.txt'), 'utf8').catch(() => '');
  return { code: ran.code, isHit: /1 remote cache hit/.test(ran.stderr), made, text: ran.stderr };
}

describe('bazel over HTTP', { timeout: 900_000 }, () => {
  it('stores what one machine builds, outputs before the result; another one gets it', async () => {
    const relay: RecordingRelay = keepForTest(await startRecordingRelay(server.origin));
    const first = await build(await project(), `${relay.origin}/team/app`, writer);
    expect(first, first.text).toMatchObject({ code: 0, isHit: false });
    const stored = relay.seen.filter((line) => line.startsWith('PUT '));
    expect(stored.at(-1)).toMatch(/^PUT \/team\/app\/ac\/[0-9a-f]{64} 200$/);
    expect(stored.slice(0, -1).every((line) => /^PUT \/team\/app\/cas\/[0-9a-f]{64} 200$/.test(line))).toBe(true);
    const second = await build(await project(), `${server.origin}/team/app`, reader);
    expect(second, second.text).toMatchObject({ code: 0, isHit: true, made: first.made });
    const other = await build(await project(), `${server.origin}/other`, writer);
    expect(other, other.text).toMatchObject({ code: 0, isHit: false });
  });

  it('builds what was spoilt on the disk, and stores it again', async () => {
    const first = await build(await project(), `${server.origin}/spoilt`, writer);
    expect(first, first.text).toMatchObject({ code: 0, isHit: false });
    expect(await spoilFiles(server.dir, Buffer.from(first.made))).toBe(1);
    const second = await build(await project(), `${server.origin}/spoilt`, writer);
    expect(second, second.text).toMatchObject({ code: 0, isHit: false });
    expect(second.made).not.toBe(first.made);
    const third = await build(await project(), `${server.origin}/spoilt`, reader);
    expect(third, third.text).toMatchObject({ code: 0, isHit: true, made: second.made });
  });

  it('builds when it may not write, and with a token that nobody knows', async () => {
    for (const token of [reader, 'wrong']) {
      const built = await build(await project(), `${server.origin}/closed`, token);
      expect(built, built.text).toMatchObject({ code: 0, isHit: false });
      expect(built.made).not.toBe('');
    }
    const after = await build(await project(), `${server.origin}/closed`, writer);
    expect(after, after.text).toMatchObject({ code: 0, isHit: false });
  });
});
