import type { CatalogRef } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { createTrustedCatalogs } from './trusted-catalogs.js';

function start() {
  const asked: string[] = [];
  const state = { answer: async (): Promise<CatalogRef[]> => [] };
  const catalogs = createTrustedCatalogs({
    async catalogs(sessionId, scope) {
      asked.push(`${sessionId} ${scope}`);
      return state.answer();
    },
  });
  return { asked, state, catalogs };
}

describe('createTrustedCatalogs', () => {
  it('asks the store once per session and scope, also when asked together', async () => {
    const { asked, catalogs } = start();
    await Promise.all([
      catalogs.known('a', 's'),
      catalogs.known('a', 's'),
      catalogs.known('b', 's'),
      catalogs.known('a', 't'),
    ]);
    await catalogs.known('a', 's');
    expect(asked).toEqual(['a s', 'b s', 'a t']);
  });

  it('asks again after forgetting, and whenever asked for a fresh list', async () => {
    const { asked, catalogs } = start();
    await catalogs.known('a', 's');
    catalogs.forget('a', ['s']);
    await catalogs.known('a', 's');
    await catalogs.fresh('a', 's');
    await catalogs.known('a', 's');
    expect(asked).toHaveLength(3);
  });

  it('a list that was forgotten while it was being read is not kept', async () => {
    const { asked, catalogs, state } = start();
    let go: (refs: CatalogRef[]) => void = () => {};
    state.answer = () =>
      new Promise((resolve) => {
        go = resolve;
      });
    const reading = catalogs.known('a', 's');
    await Promise.resolve();
    catalogs.forget('a', ['s']);
    go([]);
    await reading;
    state.answer = async () => [];
    await catalogs.known('a', 's');
    expect(asked).toHaveLength(2);
  });

  it('a failure is not kept', async () => {
    const { catalogs, state } = start();
    state.answer = () => Promise.reject(new Error('down'));
    await expect(catalogs.known('a', 's')).rejects.toThrow('down');
    state.answer = async () => [];
    expect(await catalogs.known('a', 's')).toEqual([]);
  });

  it('is bounded: the least recently used list goes first', async () => {
    const { asked, catalogs } = start();
    await catalogs.known('kept', 's');
    for (let i = 0; i < 4096; i += 1) {
      await catalogs.known('a', `s${i}`);
      if (i % 1000 === 0) await catalogs.known('kept', 's');
    }
    asked.length = 0;
    await catalogs.known('kept', 's');
    await catalogs.known('a', 's0');
    expect(asked).toEqual(['a s0']);
  });
});
