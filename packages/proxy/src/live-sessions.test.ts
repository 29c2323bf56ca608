import type { ActiveSession } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { createLiveSessions } from './live-sessions.js';

function sessionOf(controller: AbortController): ActiveSession {
  return { id: 'x', signal: controller.signal } as ActiveSession;
}

describe('createLiveSessions', () => {
  it('ends everything that is watched when the session ends, once', () => {
    const live = createLiveSessions();
    const controller = new AbortController();
    const ended: string[] = [];
    live.watch(sessionOf(controller), () => ended.push('a'));
    live.watch(sessionOf(controller), () => ended.push('b'))();
    live.watch(sessionOf(controller), () => ended.push('c'));
    controller.abort();
    expect(ended).toEqual(['a', 'c']);
  });

  it('ends at once what is watched too late', () => {
    const live = createLiveSessions();
    const controller = new AbortController();
    controller.abort();
    let isEnded = false;
    live.watch(sessionOf(controller), () => {
      isEnded = true;
    });
    expect(isEnded).toBe(true);
  });

  it('is settled when the last exchange of the session is over', async () => {
    const live = createLiveSessions();
    await live.settled('a');
    const leave = [live.enter('a', () => {}), live.enter('a', () => {}), live.enter('b', () => {})];
    let isSettled = false;
    const settled = live.settled('a').then(() => {
      isSettled = true;
    });
    leave[0]?.();
    await Promise.resolve();
    expect([isSettled, live.running]).toEqual([false, 2]);
    leave[1]?.();
    await settled;
    expect(live.running).toBe(1);
    leave[2]?.();
    await live.allSettled();
  });

  it('ends all', () => {
    const live = createLiveSessions();
    const ended: string[] = [];
    live.enter('a', () => ended.push('a'));
    live.enter('b', () => ended.push('b'));
    live.endAll();
    expect(ended).toEqual(['a', 'b']);
  });
});
