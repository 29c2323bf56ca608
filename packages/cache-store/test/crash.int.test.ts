import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFileBlobStore } from '@waybill/blob-store';
import { sourceArguments } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CacheBlob, openCacheStore } from '../src/index.js';
import { all } from './conformance/scene.js';

const rounds = 6;

describe('a cache and kill -9', () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-cache-crash-'));
  });

  afterEach(() => rm(dir, { recursive: true }));

  it('has what was acknowledged, and no name without its blobs', { timeout: 240_000 }, async () => {
    const acknowledged = new Map<string, CacheBlob>();
    for (let round = 0; round < rounds; round++) {
      await writeAndKill(round, acknowledged);
      await check(acknowledged);
    }
    expect(acknowledged.size).toBeGreaterThan(rounds * 4);
  });

  async function writeAndKill(round: number, acknowledged: Map<string, CacheBlob>): Promise<void> {
    const program = sourceArguments(new URL('crash-child.ts', import.meta.url));
    const child = spawn(process.execPath, [...program, dir, `round${round}`], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    const lines = createInterface({ input: child.stdout });
    const closed = once(lines, 'close');
    let count = 0;
    const working = new Promise<void>((resolve) => {
      lines.on('line', (line) => {
        const [name, key = '', sha256 = '', size] = line.split(' ');
        if (name === 'kept') acknowledged.set(key, { sha256, size: Number(size) });
        // Long enough for collections to run beside.
        if (++count >= 20) resolve();
      });
    });
    await Promise.race([working, ended]);
    await sleep(Math.random() * 300);
    child.kill('SIGKILL');
    await Promise.all([ended, closed]);
    expect(child.signalCode).toBe('SIGKILL');
  }

  async function check(acknowledged: ReadonlyMap<string, CacheBlob>): Promise<void> {
    const blobs = await createFileBlobStore({ dir: join(dir, 'blobs'), hashThreads: 1, smallBytes: 2048 });
    const store = await openCacheStore({ database: `file:${join(dir, 'index.sqlite')}`, blobs, maintenanceMs: 0 });
    try {
      // Uploads that were cut off may have left bytes that nobody knows, and nothing else.
      const findings = await all(store.fsck({ verify: true, repair: true }));
      expect(findings.filter(({ problem }) => problem !== 'blob-unknown')).toEqual([]);
      const kept = store.namespace('kept');
      for (const [key, value] of acknowledged) {
        const entry = await kept.lookup('kv', [key]);
        expect(entry?.value, key).toEqual(value);
        const bytes = await kept.read(value);
        expect(bytes?.subarray(0, key.length).toString()).toBe(key);
        expect((await kept.read(entry?.references[0] as CacheBlob))?.toString()).toBe(key.repeat(50));
      }
      for (const entry of await store.namespace('spare').list({ limit: 10_000 })) {
        for (const blob of [entry.value, ...entry.references]) {
          expect((await store.namespace('spare').read(blob))?.length, entry.key).toBe(blob.size);
        }
      }
    } finally {
      await store.close();
      await blobs.close();
    }
  }
});
