import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type SessionStore, silentLogger } from '@waybill/contracts';
import { openSessionStore } from '@waybill/session-store';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { download, refusal, sha } from '../../test/fakes.js';
import { followSessions } from './followed-sessions.js';

let root: string;
let ours: SessionStore;
let theirs: SessionStore;
let events: ReturnType<typeof followSessions>;
const id = 'a'.repeat(32);
const soon = { timeout: 5_000, interval: 5 };

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'waybill-events-'));
  const url = pathToFileURL(join(root, 'db')).href;
  [ours, theirs] = [await openSessionStore({ url }), await openSessionStore({ url })];
  const now = new Date();
  await ours.createSession({
    id,
    tokenDigest: sha('a'),
    policy: 'strict',
    state: 'open',
    createdAt: now,
    expiresAt: now,
    configuration: {},
    secretPatterns: [],
  });
  events = followSessions({ store: ours, logger: silentLogger, pollMs: 10 });
});

afterEach(async () => {
  events.close();
  await ours.close();
  await theirs.close();
  await rm(root, { recursive: true });
});

function listen() {
  const seen: string[] = [];
  const stop = events.watch(id, { record: ({ url }) => void seen.push(url), end: () => void seen.push('end') });
  return { seen, stop };
}

describe('sessions that several processes serve', () => {
  it('everybody who watches hears once of what any process records from now on, and then of the end', async () => {
    await theirs.record([download(id, sha('b'), { url: 'before' })]);
    const [one, two] = [listen(), listen()];
    await vi.waitUntil(async () => {
      // From when on exactly is the store's business; some note is the first that is heard.
      await theirs.record([refusal(id, { url: 'probe' })]);
      return one.seen.length > 0;
    }, soon);
    await theirs.record([download(id, sha('c'), { url: 'theirs' })]);
    await ours.record([download(id, sha('d'), { url: 'ours' })]);
    await vi.waitUntil(() => one.seen.includes('ours') && two.seen.includes('ours'), soon);
    two.stop();
    await theirs.record([download(id, sha('e'), { url: 'last' })]);
    events.end(id);
    await vi.waitUntil(() => one.seen.includes('end'), soon);
    const heard = one.seen.filter((url) => url !== 'probe');
    expect(heard).toEqual(['theirs', 'ours', 'last', 'end']);
    expect(two.seen.filter((url) => url !== 'probe')).toEqual(['theirs', 'ours']);
  });

  it('asks the store as long as somebody watches, once for all', async () => {
    const asked = vi.spyOn(ours, 'recordsSince');
    const watching = Array.from({ length: 20 }, listen);
    await vi.waitUntil(() => asked.mock.calls.length > 3, soon);
    for (const { stop } of watching) stop();
    await new Promise((resolve) => setTimeout(resolve, 30));
    const before = asked.mock.calls.length;
    expect(before).toBeLessThan(60);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(asked.mock.calls.length).toBe(before);
  });

  it('goes on when the store could not be read for a while', async () => {
    const { seen } = listen();
    const asked = vi.spyOn(ours, 'recordsSince').mockRejectedValue(new Error('gone'));
    await vi.waitUntil(() => asked.mock.calls.length > 2, soon);
    asked.mockRestore();
    await vi.waitUntil(async () => {
      await theirs.record([refusal(id, { url: 'after' })]);
      return seen.length > 0;
    }, soon);
  });
});
