import { hash } from 'node:crypto';
import type { BlobEntry } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { pattern } from '../pattern.js';
import { digestsOf, expectStored, names, plainDigestsOf, put } from './bodies.js';
import type { Scene } from './scene.js';

export function describeFinding(scene: Scene): void {
  describe('digests', () => {
    it('computes sha512 of large bodies only when asked', async () => {
      for (const [kind, body] of scene.kinds()) {
        const plain = await put(scene.store, body);
        expect(plain.digests).toEqual(kind === 'small' ? digestsOf(body) : plainDigestsOf(body));
        expect(await scene.store.stat(plain.digests.sha256)).toEqual(plain);
        const asked = await put(scene.store, body, { sha512: true });
        expect(asked.digests).toEqual(digestsOf(body));
        await scene.store.flush();
        for (let round = 0; round < 2; round++) {
          expect(await scene.store.stat(plain.digests.sha256)).toEqual(asked);
          await scene.reopen();
        }
        expect(await names(scene.store)).toContain(plain.digests.sha256);
        await expectStored(scene.store, body);
      }
    });

    it('finds blobs by any digest it knows', async () => {
      const bodies = [...scene.kinds().map(([, body]) => body), Buffer.alloc(0), pattern(100, 8), pattern(101, 9)];
      for (const body of bodies) await put(scene.store, body, { sha512: true });
      await scene.store.flush();
      for (let round = 0; round < 2; round++) {
        for (const body of bodies) {
          const digests = digestsOf(body);
          for (const algorithm of ['sha1', 'sha256', 'sha512'] as const) {
            expect(await scene.store.resolve({ algorithm, hex: digests[algorithm] }), algorithm).toBe(digests.sha256);
          }
        }
        await scene.reopen();
      }
    });

    it('finds nothing by digests it does not know', async () => {
      const large = pattern(scene.harness.smallBytes * 3, 4);
      const { sha1, sha256, sha512 } = digestsOf(large);
      await put(scene.store, large);
      expect(await scene.store.resolve({ algorithm: 'sha512', hex: sha512 })).toBeUndefined();
      const near = `${sha1.slice(0, -1)}${sha1.endsWith('0') ? '1' : '0'}`;
      const strange = [
        { algorithm: 'sha1', hex: near },
        { algorithm: 'sha1', hex: sha1.slice(0, 16) },
        { algorithm: 'sha1', hex: '' },
        { algorithm: 'sha256', hex: sha256.toUpperCase() },
        { algorithm: 'sha256', hex: '../../etc/passwd' },
        { algorithm: 'sha512', hex: '0'.repeat(128) },
        { algorithm: 'md5', hex: hash('md5', large) },
      ] as const;
      for (const digest of strange) expect(await scene.store.resolve(digest)).toBeUndefined();
      await put(scene.store, large, { sha512: true });
      expect(await scene.store.resolve({ algorithm: 'sha512', hex: sha512 })).toBe(sha256);
      await scene.store.delete(sha256);
      for (const algorithm of ['sha1', 'sha256', 'sha512'] as const) {
        expect(await scene.store.resolve({ algorithm, hex: digestsOf(large)[algorithm] })).toBeUndefined();
      }
    });
  });

  describe('sweeping', () => {
    const all = async () => {
      const found: BlobEntry[] = [];
      for await (const entry of scene.store.entries()) found.push(entry);
      return found.sort((a, b) => a.size - b.size);
    };

    it('tells size and time of each blob, and how much there is', async () => {
      const before = Date.now();
      const bodies = scene.kinds().map(([, body]) => body);
      for (const body of bodies) await put(scene.store, body);
      await put(scene.store, bodies[0] as Buffer);
      await scene.store.flush();
      for (let round = 0; round < 2; round++) {
        const found = await all();
        expect(found.map(({ sha256, size }) => ({ sha256, size }))).toEqual(
          bodies.map((body) => ({ sha256: digestsOf(body).sha256, size: body.length })),
        );
        for (const { usedAt } of found) {
          expect(usedAt.getTime()).toBeGreaterThan(before - 61_000);
          expect(usedAt.getTime()).toBeLessThan(Date.now() + 61_000);
        }
        expect(await scene.store.usage()).toEqual({
          bytes: bodies.reduce((sum, { length }) => sum + length, 0),
          count: 2,
        });
        await scene.reopen();
      }
      for (const body of bodies) await scene.store.delete(digestsOf(body).sha256);
      expect(await all()).toEqual([]);
      expect(await scene.store.usage()).toEqual({ bytes: 0, count: 0 });
    });

    it('removes only what was not used since', async () => {
      for (const [, body] of scene.kinds()) {
        const { sha256 } = (await put(scene.store, body)).digests;
        const hours = (count: number) => new Date(Date.now() + count * 3_600_000);
        expect(await scene.store.delete(sha256, { unusedSince: hours(-1) })).toBe(false);
        await expectStored(scene.store, body);
        expect(await scene.store.delete(sha256, { unusedSince: hours(1) })).toBe(true);
        expect(await scene.store.stat(sha256)).toBeUndefined();
        expect(await scene.store.delete(sha256, { unusedSince: hours(1) })).toBe(false);
      }
    });
  });
}
