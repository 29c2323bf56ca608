import { describe, expect, it } from 'vitest';
import { pattern } from '../pattern.js';
import { collect, digestsOf, expectCode, expectStored, names, put } from './bodies.js';
import type { Scene } from './scene.js';

export function describeRemoving(scene: Scene): void {
  describe('deleting', () => {
    it('forgets a blob for good, and takes it again', async () => {
      for (const [, body] of scene.kinds()) {
        const { sha256 } = (await put(scene.store, body)).digests;
        await scene.store.flush();
        await scene.store.delete(sha256);
        await scene.store.delete(sha256);
        await scene.store.flush();
        expect(await scene.store.stat(sha256)).toBeUndefined();
        await scene.reopen();
        expect(await scene.store.stat(sha256)).toBeUndefined();
        await expectCode(collect(scene.store.open(sha256)), 'BLOB_NOT_FOUND');
        await put(scene.store, body);
        await scene.store.flush();
        await scene.reopen();
        await expectStored(scene.store, body);
      }
    });

    it('keeps a blob that is stored and deleted at the same time either whole or not at all', async () => {
      for (const [, body] of scene.kinds()) {
        const { sha256 } = digestsOf(body);
        for (let round = 0; round < 10; round++) {
          await Promise.all([
            put(scene.store, body),
            scene.store.delete(sha256),
            put(scene.store, body),
            scene.store.delete(sha256),
          ]);
          if (await scene.store.stat(sha256)) await expectStored(scene.store, body);
          else await expectCode(collect(scene.store.open(sha256)), 'BLOB_NOT_FOUND');
        }
      }
    });

    it('compacts without losing a living or bringing back a deleted blob', async () => {
      const bodies = Array.from({ length: 200 }, (_, at) => pattern(scene.harness.smallBytes / 2 + at, at));
      await Promise.all(bodies.map((body) => put(scene.store, body)));
      await scene.store.flush();
      const isKept = (at: number) => at % 10 === 0;
      await Promise.all(
        bodies.map((body, at) => (isKept(at) ? undefined : scene.store.delete(digestsOf(body).sha256))),
      );
      await scene.store.flush();
      for (let calls = 0; calls < 100 && (await scene.store.compact()) > 0; calls++);
      for (let round = 0; round < 2; round++) {
        const kept = bodies.filter((_, at) => isKept(at));
        expect(await names(scene.store)).toEqual(kept.map((body) => digestsOf(body).sha256).sort());
        for (const body of kept) await expectStored(scene.store, body);
        await scene.reopen();
      }
      expect(await scene.store.compact()).toBe(0);
    });

    it('reads while it compacts', async () => {
      const bodies = Array.from({ length: 60 }, (_, at) => pattern(scene.harness.smallBytes - at, at));
      await Promise.all(bodies.map((body) => put(scene.store, body)));
      await Promise.all(bodies.map((body, at) => (at % 2 ? scene.store.delete(digestsOf(body).sha256) : undefined)));
      const reads = bodies.filter((_, at) => at % 2 === 0).map((body) => expectStored(scene.store, body));
      await Promise.all([scene.store.compact(), scene.store.compact(), ...reads]);
    });
  });

  describe('flushing', () => {
    it('serves many callers at once, with and without anything to do', async () => {
      await scene.store.flush();
      await Promise.all(
        Array.from({ length: 50 }, async (_, at) => {
          await put(scene.store, Buffer.from(`flushed ${at}`));
          await scene.store.flush();
        }),
      );
      await scene.reopen();
      expect((await names(scene.store)).length).toBe(50);
    });
  });
}
