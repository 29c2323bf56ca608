import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CacheMachine, createCacheMachine, needClient } from './harness/cache-machine.js';
import { type CacheServer, startCacheServer } from './harness/cache-server.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { startRecordingRelay } from './harness/recording-relay.js';

const keep = keepForFile();
let server: CacheServer;
let writer: string;
let reader: string;

beforeAll(async () => {
  server = keep(await startCacheServer());
  writer = await server.token('ci', '*=write');
  reader = await server.token('laptop', '*=read');
});
beforeEach((context) => needClient(context, 'ccache', 'tooling/ci/packages.sh'));

function project(): Promise<CacheMachine> {
  return createCacheMachine({ 'a.c': 'int main(void) { return 7; }\n' });
}

/** Compiles once with an empty local cache. */
async function compile(machine: CacheMachine, storage: string) {
  const env = {
    CCACHE_DIR: join(machine.home, 'ccache'),
    // Machines differ in where they build.
    CCACHE_NOHASHDIR: '1',
    CCACHE_REMOTE_STORAGE: `${storage}|connect-timeout=20000|operation-timeout=60000`,
  };
  const made = await machine.run('ccache', ['gcc', '-c', 'a.c', '-o', 'a.o'], env);
  const stats = await machine.run('ccache', ['--print-stats'], env);
  const count = (name: string) => Number(new RegExp(`^${name}\\t(\\d+)$`, 'm').exec(stats.stdout)?.[1] ?? -1);
  return {
    code: made.code,
    object: await readFile(join(machine.project, 'a.o')).catch(() => Buffer.alloc(0)),
    isHit: count('remote_storage_hit') === 1 && count('cache_miss') === 0,
    written: count('remote_storage_write'),
    errors: count('remote_storage_error'),
  };
}

describe('ccache', () => {
  it.each(['subdirs', 'flat', 'bazel'])('layout %s: compiled on one machine, taken on another', async (layout) => {
    const at = (token: string) => `${server.origin}/kv/cc-${layout}|layout=${layout}|bearer-token=${token}`;
    const first = await compile(await project(), at(writer));
    expect(first).toMatchObject({ code: 0, isHit: false, written: 2, errors: 0 });
    const second = await compile(await project(), at(reader));
    expect(second).toMatchObject({ code: 0, isHit: true, errors: 0 });
    expect(second.object.equals(first.object)).toBe(true);
  });

  it('with user and password in the URL', async () => {
    const at = `http://ci:${writer}@${server.authority}/kv/cc-basic`;
    expect(await compile(await project(), at)).toMatchObject({ code: 0, isHit: false, written: 2 });
    expect(await compile(await project(), at)).toMatchObject({ code: 0, isHit: true });
  });

  it('compiles when it may not write, with a token that nobody knows, and when entries are spoilt', async () => {
    const relay = keepForTest(await startRecordingRelay(server.origin));
    const at = (token: string) => `${relay.origin}/kv/cc-spoilt|bearer-token=${token}`;
    expect(await compile(await project(), at(reader))).toMatchObject({ code: 0, isHit: false });
    expect(await compile(await project(), at('wrong'))).toMatchObject({ code: 0, isHit: false });
    expect(await compile(await project(), at(writer))).toMatchObject({ code: 0, isHit: false, written: 2 });
    const headers = { authorization: `Bearer ${writer}` };
    const stored = relay.seen.flatMap((line) => /^PUT (\S+) 201$/.exec(line)?.[1] ?? []);
    expect(stored).toHaveLength(2);
    for (const path of stored) {
      const url = `${server.origin}${path}`;
      expect((await fetch(url, { method: 'PUT', headers, body: 'spoilt' })).status).toBe(200);
    }
    const again = await compile(await project(), at(writer));
    expect(again).toMatchObject({ code: 0, isHit: false });
    expect(again.object.length).toBeGreaterThan(0);
  });
});
