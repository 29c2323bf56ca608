import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionRecord } from '@waybill/contracts';
import { openSessionStore } from '@waybill/session-store';
import { sourceArguments } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { download, indexLink } from './fakes.js';

const [few, many] = [10_000, 100_000];
const mebibyte = 1024 * 1024;
const endedAt = new Date('2026-01-02T03:10:00Z');
const session: SessionRecord = {
  id: 'a'.repeat(32),
  tokenDigest: hash('sha256', 'token'),
  policy: 'strict',
  state: 'revoked',
  createdAt: new Date('2026-01-02T03:00:00Z'),
  expiresAt: new Date('2026-01-02T09:00:00Z'),
  endedAt,
  configuration: {},
  secretPatterns: [],
};

describe('the report of a large session', () => {
  let dir: string;
  let url: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-report-'));
    url = `file:${join(dir, 'sessions.sqlite')}`;
  });

  afterEach(() => rm(dir, { recursive: true }));

  async function record(artifacts: number): Promise<SessionRecord['id']> {
    const store = await openSessionStore({ url });
    const id = `${session.id}${artifacts}`;
    await store.createSession({ ...session, id, state: 'open' });
    const index = hash('sha256', 'index');
    await store.record([download(id, index, { vouchedBy: [{ kind: 'key', id: 'AA', name: 'Key A' }] })]);
    for (let from = 1; from < artifacts; from += 1000) {
      const numbers = Array.from({ length: Math.min(1000, artifacts - from) }, (_, at) => from + at);
      await store.record(
        numbers.map((number) =>
          download(id, hash('sha256', `${number}`), { vouchedBy: [indexLink(index, 'Packages')] }),
        ),
      );
    }
    await store.transition(id, 'revoked', endedAt);
    await store.close();
    return id;
  }

  /** Reads the report from a process of its own. @returns what came, and the memory that it took there at its highest */
  async function serve(id: string) {
    const program = sourceArguments(new URL('report-child.ts', import.meta.url));
    // The larger report is half as large again as all the heap that it may use.
    const child = spawn(process.execPath, ['--max-old-space-size=64', '--expose-gc', ...program, url, id], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const [, port, before] = String((await lines.next()).value).split(' ');
    const read = await readSlowly(Number(port));
    const [, highest] = String((await lines.next()).value).split(' ');
    expect(await ended).toEqual([0, null]);
    return { read, grown: Number(highest) - Number(before) };
  }

  it('comes in memory that does not grow with it, however slowly it is read', { timeout: 180_000 }, async () => {
    const small = await serve(await record(few));
    const large = await serve(await record(many));
    expect([small.read.artifacts, large.read.artifacts]).toEqual([few, many]);
    expect(large.read.bytes).toBeGreaterThan(90 * mebibyte);
    expect(large.read.bytes).toBeGreaterThan(9 * small.read.bytes);
    for (const { read, grown } of [small, large]) {
      expect(read.end).toBe('"responses":[]}\n');
      expect(grown).toBeLessThan(48 * mebibyte);
    }
    // Ten times as much to tell, and no more to hold but what a collection more or less leaves behind.
    expect(large.grown).toBeLessThan(small.grown + 8 * mebibyte);
  });
});

/** Stops again and again, as somebody on a slow line would. */
async function readSlowly(port: number) {
  const [response] = (await once(get({ port, host: '127.0.0.1' }), 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  const read = { bytes: 0, artifacts: 0, end: '' };
  let sinceRest = Number.POSITIVE_INFINITY;
  let rest = '';
  for await (const chunk of response.setEncoding('utf8')) {
    read.bytes += chunk.length;
    sinceRest += chunk.length;
    rest = (rest + chunk).slice(-200 - chunk.length);
    const found = rest.split('"artifact-metadata-version"');
    read.artifacts += found.length - 1;
    // What was counted is not counted again; a name that was cut is.
    rest = found.at(-1)?.slice(-200) ?? '';
    if (sinceRest < 8 * mebibyte) continue;
    sinceRest = 0;
    await sleep(100);
  }
  return { ...read, end: rest.slice(-16) };
}
