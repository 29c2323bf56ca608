import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { sourceArguments } from '@waybill/testkit';
import { expect, it } from 'vitest';
import { expectStored, names, pattern } from '../src/conformance.js';
import { createS3BlobStore } from '../src/index.js';
import { s3Place } from './s3-harness.js';

const rounds = 4;

it('kill -9 loses nothing that was flushed to S3, and others see it at once', { timeout: 120_000 }, async () => {
  const root = await mkdtemp(join(tmpdir(), 'waybill-s3-crash-'));
  const place = s3Place();
  const reader = await createS3BlobStore({ ...place.options, cacheDir: join(root, 'reader'), staleUploadMs: 0 });
  const said = new Map<string, { readonly size: number; readonly seed: number }>();
  const looks: Promise<unknown>[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      const program = sourceArguments(new URL('s3-crash-child.ts', import.meta.url));
      const args = [...program, join(root, 'writer'), place.prefix, String(round * 1_000_000)];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = once(child, 'exit');
      const lines = createInterface({ input: child.stdout });
      const first = new Promise<void>((resolve) => {
        lines.on('line', (line) => {
          const [, name = '', size, seed] = line.split(' ');
          said.set(name, { size: Number(size), seed: Number(seed) });
          looks.push(reader.stat(name).then((info) => expect(info?.size, name).toBe(Number(size))));
          resolve();
        });
      });
      await Promise.race([first, ended]);
      await sleep(Math.random() * 400);
      child.kill('SIGKILL');
      await ended;
      await Promise.all(looks.splice(0));
    }
    for (const [name, { size, seed }] of said) {
      expect((await reader.stat(name))?.size).toBe(size);
      await expectStored(reader, pattern(size, seed));
    }
    expect(said.size).toBeGreaterThanOrEqual(rounds * 8);
    expect((await names(reader)).length).toBeGreaterThanOrEqual(said.size);
    // The writer's directory is repaired by whoever uses it next; unfinished uploads go by age.
    await reader.compact();
    expect(await place.unfinished()).toEqual([]);
    const writer = await createS3BlobStore({ ...place.options, cacheDir: join(root, 'writer') });
    for (const [name] of said) expect(await writer.stat(name)).toBeDefined();
    await writer.close();
  } finally {
    await reader.close();
    await place.remove();
    await rm(root, { recursive: true });
  }
});
