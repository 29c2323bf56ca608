import { describe, expect, it } from 'vitest';
import { SessionLookup } from './session-lookup.js';

function lookup(known: Readonly<Record<string, string>> = {}) {
  const asked: string[] = [];
  const pending: (() => void)[] = [];
  const at = { now: 0, isHeld: false };
  const sessions = new SessionLookup<string>(
    async (id) => {
      asked.push(id);
      if (at.isHeld) await new Promise<void>((resolve) => pending.push(resolve));
      return known[id];
    },
    () => at.now,
  );
  return { sessions, asked, at, pending };
}

describe('SessionLookup', () => {
  it('asks for an unknown id once in a while, and at once when there may be news', async () => {
    const { sessions, asked, at } = lookup();
    for (let n = 0; n < 5; n++) expect(await sessions.find('a')).toBeUndefined();
    expect(asked).toEqual(['a']);
    sessions.forget('a');
    await sessions.find('a');
    at.now += 2_001;
    await sessions.find('a');
    expect(asked).toEqual(['a', 'a', 'a']);
  });

  it('asks once for all who ask at the same time', async () => {
    const { sessions, asked } = lookup({ a: 'session' });
    expect(await Promise.all([sessions.find('a'), sessions.find('a'), sessions.find('a')])).toEqual(
      Array(3).fill('session'),
    );
    expect(asked).toEqual(['a']);
  });

  it('guessing is bounded: few look-ups at a time, a short queue, a small memory', async () => {
    const { sessions, asked, at, pending } = lookup({ real: 'session' });
    at.isHeld = true;
    const guesses = Array.from({ length: 5_000 }, (_, n) => sessions.find(`guess${n}`));
    await Promise.resolve();
    expect(asked.length).toBeLessThanOrEqual(16);
    at.isHeld = false;
    for (const go of pending) go();
    expect(await Promise.all(guesses)).toEqual(Array(5_000).fill(undefined));
    expect(asked.length).toBeLessThanOrEqual(1_016);
    expect(await sessions.find('real')).toBe('session');
  });

  it('a failed look-up is no answer', async () => {
    let fails = true;
    const sessions = new SessionLookup<string>(
      async () => {
        if (fails) throw new Error('the database is gone');
        return 'session';
      },
      () => 0,
    );
    await expect(sessions.find('a')).rejects.toThrow('the database is gone');
    fails = false;
    expect(await sessions.find('a')).toBe('session');
  });
});
