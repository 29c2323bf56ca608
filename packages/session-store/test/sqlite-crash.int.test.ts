import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { sourceArguments } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSessionStore } from '../src/index.js';
import { all } from './conformance/expectations.js';
import { sha } from './records.js';

const rounds = 8;

describe('SQLite and kill -9', () => {
  let dir: string;
  let url: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-crash-'));
    url = `file:${join(dir, 'sessions.sqlite')}`;
  });

  afterEach(() => rm(dir, { recursive: true }));

  it('has everything that was acknowledged, and every record whole', { timeout: 120_000 }, async () => {
    /** Acknowledged names by session. */
    const acknowledged = new Map<string, Set<string>>();
    for (let round = 0; round < rounds; round++) {
      await recordAndKill(round, acknowledged);
      await check(acknowledged);
    }
    expect(acknowledged.size).toBe(rounds);
    expect([...acknowledged.values()].reduce((sum, names) => sum + names.size, 0)).toBeGreaterThan(rounds * 8);
  });

  async function recordAndKill(round: number, acknowledged: Map<string, Set<string>>): Promise<void> {
    const program = sourceArguments(new URL('crash-child.ts', import.meta.url));
    const child = spawn(process.execPath, [...program, url, `round${round}`], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    const lines = createInterface({ input: child.stdout });
    const closed = once(lines, 'close');
    const working = new Promise<void>((resolve) => {
      lines.on('line', (line) => {
        const [what, id = '', name = ''] = line.split(' ');
        if (what === 'session') acknowledged.set(id, new Set());
        else acknowledged.get(id)?.add(name);
        if (what === 'recorded') resolve();
      });
    });
    await Promise.race([working, ended]);
    await sleep(Math.random() * 500);
    child.kill('SIGKILL');
    await Promise.all([ended, closed]);
    expect(child.signalCode).toBe('SIGKILL');
  }

  async function check(acknowledged: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
    const store = await openSessionStore({ url });
    for (const [id, names] of acknowledged) {
      const artifacts = await all(store.artifacts(id));
      const found = new Set(artifacts.map((artifact) => artifact.metadata.name));
      for (const name of names) expect(found.has(name), name).toBe(true);
      // What was on its way is there as a whole or not at all.
      const refused = new Set((await all(store.refusals(id))).map((row) => row.reason));
      const answered = new Set((await all(store.responses(id))).map((row) => row.note));
      expect(refused).toEqual(found);
      expect(answered).toEqual(found);
      for (const artifact of artifacts) {
        expect(artifact.downloads[0]?.refusal?.reason).toBe(artifact.metadata.name);
        expect(artifact.metadata.sha256).toBe(sha(artifact.metadata.name));
      }
    }
    await store.close();
  }
});
