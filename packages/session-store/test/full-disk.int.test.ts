import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionStore } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSessionStore } from '../src/index.js';
import { expectCode } from './conformance/expectations.js';
import { download, session, sessionId } from './records.js';

const mebibyte = 1024 * 1024;

describe('SQLite on a full disk', () => {
  let mount: string;
  let url: string;
  let store: SessionStore;
  const id = sessionId('one');

  beforeEach(async () => {
    mount = mkdtempSync(join(tmpdir(), 'waybill-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${3 * mebibyte}`, 'waybill-test', mount]);
    url = `file:${join(mount, 'sessions.sqlite')}`;
    store = await openSessionStore({ url });
    await store.createSession(session(id));
  });

  afterEach(async () => {
    await store.close();
    execFileSync('umount', [mount]);
    rmdirSync(mount);
  });

  /** Records until there is no more room; returns how many were taken. */
  async function fill(): Promise<number> {
    for (let taken = 0; ; taken++) {
      try {
        await store.record([download(id, `body ${taken}`, { userAgent: 'x'.repeat(5_000) })]);
      } catch (error) {
        expect(error).toMatchObject({ code: 'STORE_FULL', hint: expect.stringContaining('free space') });
        return taken;
      }
    }
  }

  it('refuses, keeps what it has, and goes on once there is room', async () => {
    const taken = await fill();
    expect(taken).toBeGreaterThan(50);
    await expectCode(store.record([download(id, 'big', { userAgent: 'x'.repeat(mebibyte) })]), 'STORE_FULL');
    expect(await store.counts(id)).toMatchObject({ artifacts: taken, downloads: taken });
    execFileSync('mount', ['-o', `remount,size=${12 * mebibyte}`, mount]);
    await store.ping();
    await store.record([download(id, 'big', { userAgent: 'x'.repeat(mebibyte) })]);
    await store.close();
    store = await openSessionStore({ url });
    expect(await store.counts(id)).toMatchObject({ artifacts: taken + 1, downloads: taken + 1 });
  });

  it('fails all who share a transaction, and none of their records is half there', async () => {
    const taken = await fill();
    const attempts = await Promise.allSettled(
      Array.from({ length: 6 }, (_, at) =>
        store.record([download(id, `late ${at}`, { userAgent: 'x'.repeat(mebibyte) }), download(id, `with it ${at}`)]),
      ),
    );
    for (const attempt of attempts)
      expect(attempt).toMatchObject({ status: 'rejected', reason: { code: 'STORE_FULL' } });
    expect((await store.counts(id)).downloads).toBe(taken);
  });
});
