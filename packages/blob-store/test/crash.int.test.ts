import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { sourceArguments } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectStored, names, pattern } from '../src/conformance.js';
import { createFileBlobStore } from '../src/index.js';

const rounds = 9;

/** What the killed processes said. */
interface Said {
  readonly stored: Map<string, { readonly size: number; readonly seed: number }>;
  /** Perhaps gone. */
  readonly deleting: Set<string>;
  readonly deleted: Set<string>;
  /** Stored since the last check. */
  readonly fresh: Set<string>;
}

/** When to kill: so long after the first line that starts with the word, or after the start. */
interface Moment {
  readonly afterWord: string;
  readonly ms: number;
  /** Where the process writes; default: alone. */
  readonly slot?: number;
  /** Hears of each blob as soon as its process says that it is durable. */
  onStored?(name: string): void;
}

describe('kill -9', () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-crash-'));
  });

  afterEach(() => rm(dir, { recursive: true }));

  it('loses nothing that was flushed, at any moment', { timeout: 180_000 }, async () => {
    const said: Said = { stored: new Map(), deleting: new Set(), deleted: new Set(), fresh: new Set() };
    for (let round = 0; round < rounds; round++) {
      // Every third dies while it opens, the others while they work.
      if (round % 3 === 2) await runAndKill(said, round, { afterWord: '', ms: 100 + Math.random() * 400 });
      else await runAndKill(said, round, { afterWord: 'stored', ms: Math.random() * 600 });
      await check(said, round === rounds - 1);
    }
    expect(said.stored.size).toBeGreaterThanOrEqual(rounds * 6);
    expect(said.deleted.size).toBeGreaterThan(0);
  });

  it('loses nothing that one of several processes flushed, and all others see it at once', {
    timeout: 180_000,
  }, async () => {
    const said: Said = { stored: new Map(), deleting: new Set(), deleted: new Set(), fresh: new Set() };
    const reader = await createFileBlobStore({ dir, slot: 3, lookEveryMs: 20 });
    const looks: Promise<void>[] = [];
    const unseen = new Set<string>();
    const look = async (name: string) => {
      if (!(await reader.stat(name))) unseen.add(name);
    };
    try {
      for (let round = 0; round < 3; round++) {
        const rounds = [0, 1, 2].map((slot) =>
          runAndKill(said, round * 3 + slot, {
            afterWord: 'stored',
            ms: 200 + Math.random() * 600,
            slot,
            onStored: (name) => void looks.push(look(name)),
          }),
        );
        await Promise.all(rounds);
        await Promise.all(looks.splice(0));
        // What a process deletes it announces first.
        for (const name of unseen) expect(said.deleting.has(name), name).toBe(true);
        const found = new Set(await names(reader));
        for (const [name, { size, seed }] of said.stored) {
          if (!found.has(name)) expect(said.deleting.has(name), `${name} of ${size} bytes, seed ${seed}`).toBe(true);
          // One whose removal was announced may go at any moment from then on, whoever carries it out.
          else if (said.fresh.has(name) && !said.deleting.has(name)) await expectStored(reader, pattern(size, seed));
        }
        said.fresh.clear();
      }
      // Repairs and tidies up behind those that were killed.
      for (let calls = 0; calls < 12; calls++) await reader.compact();
      for (const slot of ['.', 'slots/1', 'slots/2', 'slots/3'])
        expect(await readdir(join(dir, slot, 'tmp'))).toEqual([]);
      const found = new Set(await names(reader));
      for (const [name, { size, seed }] of said.stored) {
        if (said.deleting.has(name)) continue;
        expect(found.has(name), name).toBe(true);
        await expectStored(reader, pattern(size, seed));
      }
      expect(said.stored.size).toBeGreaterThan(100);
    } finally {
      await reader.close();
    }
  });

  async function runAndKill(said: Said, round: number, moment: Moment): Promise<void> {
    const program = sourceArguments(new URL('crash-child.ts', import.meta.url));
    const slot = moment.slot === undefined ? [] : [String(moment.slot)];
    const child = spawn(process.execPath, [...program, dir, String(round * 1_000_000), ...slot], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    const lines = createInterface({ input: child.stdout });
    const closed = once(lines, 'close');
    const reached = new Promise<void>((resolve) => {
      if (!moment.afterWord) resolve();
      lines.on('line', (line) => {
        listen(said, line);
        if (line.startsWith('stored ')) moment.onStored?.(line.split(' ')[1] as string);
        if (line.startsWith(moment.afterWord)) resolve();
      });
    });
    await Promise.race([reached, ended]);
    await sleep(moment.ms);
    child.kill('SIGKILL');
    await Promise.all([ended, closed]);
    expect(child.signalCode).toBe('SIGKILL');
  }

  async function check(said: Said, all: boolean): Promise<void> {
    const store = await createFileBlobStore({ dir, smallBytes: 8 * 1024, segmentBytes: 256 * 1024 });
    expect(await readdir(join(dir, 'tmp'))).toEqual([]);
    const found = new Set(await names(store));
    for (const [name, { size, seed }] of said.stored) {
      if (!found.has(name)) expect(said.deleting.has(name), `${name} of ${size} bytes, seed ${seed}`).toBe(true);
      else if (all || said.fresh.has(name)) await expectStored(store, pattern(size, seed));
    }
    said.fresh.clear();
    for (const name of said.deleted) expect(found.has(name)).toBe(false);
    await store.close();
  }
});

function listen(said: Said, line: string): void {
  const [what, name = '', size, seed] = line.split(' ');
  if (what === 'stored') {
    said.stored.set(name, { size: Number(size), seed: Number(seed) });
    said.fresh.add(name);
  } else if (what === 'deleting') said.deleting.add(name);
  else if (what === 'deleted') said.deleted.add(name);
}
