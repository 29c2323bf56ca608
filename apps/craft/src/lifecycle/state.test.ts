import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createStateStore, digestOf } from './state.js';
import { createTimeline, intervalAt } from './timeline.js';

describe('digestOf', () => {
  it('does not depend on the order of keys, but on that of lists', () => {
    expect(digestOf({ a: 1, b: [1, 2] })).toBe(digestOf({ b: [1, 2], a: 1 }));
    expect(digestOf({ a: [1, 2] })).not.toBe(digestOf({ a: [2, 1] }));
  });

  it.each([
    [{ a: '1' }, { a: 1 }],
    [{ a: null }, {}],
    [['ab'], ['a', 'b']],
    [{ a: 1n }, { a: 1 }],
    [{ 'a":1,"b': 2 }, { a: 1, b: 2 }],
  ])('tells two values apart (%#)', (one, other) => {
    expect(digestOf(one)).not.toBe(digestOf(other));
  });

  it('takes an absent key and an undefined one for the same', () => {
    expect(digestOf({ a: 1, b: undefined })).toBe(digestOf({ a: 1 }));
  });
});

describe('createStateStore', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'craft-state-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const state = { key: 'k', upstream: { 'a/pull': '1' }, paths: ['x'], variables: { version: '1' }, outcome: {} };

  it('keeps what was written, with a fresh id each time', async () => {
    const store = createStateStore({ state: dir });
    const first = await store.write('a', 'build', state);
    expect(await store.read('a', 'build')).toEqual({ version: 1, id: first.id, ...state });
    expect((await store.write('a', 'build', state)).id).not.toBe(first.id);
    await store.remove('a', 'build');
    await store.remove('a', 'build');
    expect(await store.read('a', 'build')).toBeUndefined();
  });

  it.each(['', '{', '[]', '{"version":2,"id":"x","key":"k","upstream":{}}', '{"version":1}'])(
    'takes %j for no state',
    async (text) => {
      await mkdir(join(dir, 'a'));
      await writeFile(join(dir, 'a/pull.json'), text);
      expect(await createStateStore({ state: dir }).read('a', 'pull')).toBeUndefined();
    },
  );
});

describe('createTimeline', () => {
  it('remembers also what failed, and finds the innermost step', async () => {
    let now = 0;
    const timeline = createTimeline({ now: () => new Date(now) });
    await timeline
      .measure('outer', 'build', async () => {
        now = 10;
        await timeline.measure('inner', 'stage', async () => {
          now = 20;
        });
        now = 30;
        throw new Error('failed');
      })
      .catch(() => {});
    const at = (time: number) => intervalAt(timeline.intervals, new Date(time))?.part;
    expect([0, 9, 10, 20, 21, 30, 31].map(at)).toEqual([
      'outer',
      'outer',
      'inner',
      'inner',
      'outer',
      'outer',
      undefined,
    ]);
  });
});
