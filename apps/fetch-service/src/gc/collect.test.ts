import type { SessionRecord } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { memoryBlobs } from '../../test/memory-blobs.js';
import { createBodyReaper } from '../sessions/body-reaper.js';
import { collect, type GcEvent } from './collect.js';
import { type GcSettings, noGc } from './gc-settings.js';

const hour = 3_600_000;
const start = 1_700_000_000_000;

/** A service whose bodies and sessions the test makes up. */
function world() {
  let now = start;
  const clock = { now: () => new Date(now) };
  const blobs = memoryBlobs(clock.now);
  const needed = new Map<string, Set<string>>();
  const sessions = new Map<string, SessionRecord>();
  const deleted: string[] = [];
  const put = async (size: number, session?: string) => {
    const writer = blobs.create();
    await writer.write(Buffer.alloc(size, `${blobs.content.size}`));
    const { sha256 } = (await writer.commit()).digests;
    if (session) needed.set(session, (needed.get(session) ?? new Set()).add(sha256));
    return sha256;
  };
  return {
    blobs,
    put,
    deleted,
    pass: (ms: number) => (now += ms),
    session(id: string, state: SessionRecord['state'], endedAgoMs?: number) {
      const endedAt = endedAgoMs === undefined ? undefined : new Date(now - endedAgoMs);
      sessions.set(id, { id, state, endedAt } as SessionRecord);
    },
    async collect(settings: Partial<GcSettings>, isDryRun = false): Promise<GcEvent[]> {
      const events: GcEvent[] = [];
      const store = {
        async listSessions(states: readonly string[], { endedBefore }: { endedBefore?: Date | undefined } = {}) {
          return [...sessions.values()].filter(
            ({ state, endedAt }) => states.includes(state) && endedAt && endedBefore && endedAt < endedBefore,
          );
        },
        referenced: async (names: readonly string[]) =>
          new Set(names.filter((name) => [...needed.values()].some((own) => own.has(name)))),
      };
      const deleteResources = async (id: string) => {
        if (id === 'stuck') throw new Error('the spool is read-only');
        deleted.push(id);
        needed.delete(id);
        sessions.delete(id);
      };
      const reaper = createBodyReaper({
        blobs,
        store: { ...store, record: async () => {} },
        clock,
        graceMs: hour,
        isShared: true,
        keepsUnneeded: true,
      });
      const sources = { blobs, store, deleteResources, clock, reaper };
      const options = { isDryRun, signal: new AbortController().signal };
      for await (const event of collect(sources, { ...noGc, ...settings }, options)) events.push(event);
      return events;
    },
  };
}

describe('sessions', () => {
  it('go so long after their end, never one that is not over', async () => {
    const at = world();
    at.session('old', 'ended', 3 * hour);
    at.session('expired', 'expired', 3 * hour);
    at.session('young', 'ended', hour);
    at.session('open', 'open');
    at.session('revoked', 'revoked', 9 * hour);
    await at.collect({ keepSessionsMs: 2 * hour });
    expect(at.deleted).toEqual(['old', 'expired']);
  });

  it('stay without a limit', async () => {
    const at = world();
    at.session('old', 'ended', 1000 * hour);
    await at.collect({});
    expect(at.deleted).toEqual([]);
  });

  it('one that cannot be removed does not keep the others', async () => {
    const at = world();
    for (const id of ['stuck', 'other']) at.session(id, 'ended', 3 * hour);
    const events = await at.collect({ keepSessionsMs: hour });
    expect(events.map(({ kind }) => kind)).toEqual(['session-failed', 'session', 'done']);
    expect(at.deleted).toEqual(['other']);
  });
});

describe('bodies', () => {
  it('without a quota: what nobody needs goes, once nobody can be about to need it', async () => {
    const at = world();
    const [needed, loose] = [await at.put(10, 'open'), await at.put(20)];
    expect(await at.collect({})).toEqual([{ kind: 'done', bytes: 30, quotaBytes: undefined, isFull: false }]);
    at.pass(2 * hour);
    const young = await at.put(40);
    expect(await at.collect({})).toMatchObject([{ kind: 'bodies', bodies: 1, bytes: 20 }, { bytes: 50 }]);
    expect([needed, loose, young].map((name) => at.blobs.content.has(name))).toEqual([true, false, true]);
  });

  it('below the quota: all stay, to be used again', async () => {
    const at = world();
    await at.put(50);
    at.pass(2 * hour);
    expect(await at.collect({ quotaBytes: 100 })).toMatchObject([{ kind: 'done', bytes: 50 }]);
  });

  it('above it: the least recently used go first, and only as many as it takes', async () => {
    const at = world();
    const names: string[] = [];
    for (let i = 0; i < 6; i++) {
      names.push(await at.put(20));
      at.pass(60_000);
    }
    await at.blobs.resolve({ algorithm: 'sha256', hex: names[0] as string });
    at.pass(2 * hour);
    await at.collect({ quotaBytes: 100 });
    expect(names.map((name) => at.blobs.content.has(name))).toEqual([true, false, false, true, true, true]);
  });

  it('that are needed stay, whatever the quota; that is told', async () => {
    const at = world();
    for (let i = 0; i < 5; i++) await at.put(30, 'kept');
    const loose = await at.put(30);
    at.pass(2 * hour);
    expect((await at.collect({ quotaBytes: 100 })).at(-1)).toEqual({
      kind: 'done',
      bytes: 150,
      quotaBytes: 100,
      isFull: true,
    });
    expect(at.blobs.content.has(loose)).toBe(false);
  });

  it('of a session that goes in the same run go with it', async () => {
    const at = world();
    at.session('old', 'ended', 50 * hour);
    await at.put(10, 'old');
    at.pass(2 * hour);
    await at.collect({ keepSessionsMs: hour });
    expect(at.blobs.content.size).toBe(0);
  });
});

it('a dry run changes nothing and says what would go', async () => {
  const at = world();
  at.session('old', 'ended', 50 * hour);
  for (let i = 0; i < 5; i++) await at.put(30);
  at.pass(2 * hour);
  const events = await at.collect({ keepSessionsMs: hour, quotaBytes: 100 }, true);
  expect(events).toMatchObject([{ kind: 'session' }, { kind: 'bodies', bodies: 2 }, { kind: 'done', bytes: 90 }]);
  expect([at.blobs.content.size, at.deleted]).toEqual([5, []]);
});
