import { describe, expect, it } from 'vitest';
import { alice, expectCode, put, type Scene, textOf } from './scene.js';

export function describeTrust(scene: Scene): void {
  describe('trust', () => {
    it('an untrusted namespace reads the trusted one, which never sees what it writes', async () => {
      scene.rules.set('pulls', { readsThrough: 'main' });
      const [main, pulls] = [scene.store.namespace('main'), scene.store.namespace('pulls')];
      const shared = await put(main, 'shared');
      await main.publish({ kind: 'action', keys: ['trusted'], value: shared }, alice);
      expect(await pulls.present([shared])).toEqual([true]);
      expect(await textOf(pulls, shared)).toBe('shared');
      expect((await pulls.lookup('action', ['trusted']))?.namespace).toBe('main');

      const own = await put(pulls, 'evil');
      expect(await pulls.publish({ kind: 'action', keys: ['trusted'], value: own }, alice)).toBe('created');
      await pulls.publish({ kind: 'action', keys: ['new'], value: own, references: [shared] }, alice);
      expect((await pulls.lookup('action', ['trusted']))?.value).toEqual(own);
      expect((await pulls.lookup('action', ['new']))?.references).toEqual([shared]);
      expect((await main.lookup('action', ['trusted']))?.value).toEqual(shared);
      expect(await main.lookup('action', ['new'])).toBeUndefined();
      expect(await main.present([own])).toEqual([false]);
      await expectCode(main.publish({ kind: 'action', keys: ['x'], value: own }, alice), 'CACHE_BLOB_MISSING');
      expect(await pulls.remove('action', 'trusted', alice)).toBe(true);
      expect(await pulls.remove('action', 'trusted', alice)).toBe(false);
      expect((await pulls.lookup('action', ['trusted']))?.value).toEqual(shared);
    });

    it('a read-only namespace takes nothing', async () => {
      const value = await put(scene.store.namespace('main'), 'value');
      scene.rules.set('main', { readOnly: true });
      await scene.reopen();
      const main = scene.store.namespace('main');
      await expectCode(main.upload({ writer: alice }), 'CACHE_READ_ONLY');
      await expectCode(main.publish({ kind: 'kv', keys: ['k'], value }, alice), 'CACHE_READ_ONLY');
      await expectCode(main.remove('kv', 'k', alice), 'CACHE_READ_ONLY');
      expect(await textOf(main, value)).toBe('value');
    });

    it.each(['', '/a', 'a//b', '../a', 'a/blobs', 'uploads', 'a b', 'a\n', 'é', 'a'.repeat(201)])(
      'refuses the namespace %j',
      (name) => {
        expect(() => scene.store.namespace(name)).toThrow(expect.objectContaining({ code: 'CACHE_NAMESPACE_INVALID' }));
      },
    );

    it('knows only the namespaces that have rules', () => {
      expect(() => scene.store.namespace('unknown')).toThrow(
        expect.objectContaining({ code: 'CACHE_NAMESPACE_UNKNOWN' }),
      );
    });

    it('notes who wrote what, newest first, in pages', async () => {
      const main = scene.store.namespace('main');
      const value = await put(main, 'value');
      await main.publish({ kind: 'kv', keys: ['k'], value }, alice);
      const bob = { principal: 'bob', client: 'evil\u001b[31m\u202e' };
      await main.pin('kv', 'k', true, bob);
      await main.remove('kv', 'k', bob);
      await scene.store.note({ namespace: 'other', action: 'refuse', writer: bob, detail: 'no right' });
      const records = await scene.store.audit({ limit: 9 });
      expect(records.map(({ action }) => action)).toEqual(['refuse', 'remove', 'pin', 'publish']);
      expect(records[3]).toMatchObject({
        namespace: 'main',
        kind: 'kv',
        key: 'k',
        sha256: value.sha256,
        writer: alice,
      });
      expect(records[0]?.detail).toBe('no right');
      expect((await scene.store.audit({ namespace: 'main', principal: 'bob', limit: 9 })).length).toBe(2);
      expect((await scene.store.audit({ before: records[1]?.id, limit: 1 }))[0]?.action).toBe('pin');
    });
  });

  describe('principals', () => {
    const ci = {
      id: 'ci',
      credential: { kind: 'token', value: 'a'.repeat(64) },
      grants: [{ namespace: 'main/*', right: 'write' }],
      comment: "Robert'); drop table cache_principals; --",
    } as const;

    it('are found by their credential until they are removed', async () => {
      const { principals } = scene.store;
      const added = await principals.add(ci, alice);
      expect(added).toEqual({ ...ci, createdAt: scene.clock.now() });
      expect(await principals.find('token', ci.credential.value)).toEqual(added);
      expect(await principals.find('ssh-key', ci.credential.value)).toBeUndefined();
      expect(await principals.find('token', 'b\0')).toBeUndefined();
      expect(await principals.get('ci')).toEqual(added);
      expect(await principals.list()).toEqual([added]);
      expect(await principals.remove('ci', alice)).toBe(true);
      expect(await principals.remove('ci', alice)).toBe(false);
      expect(await principals.find('token', ci.credential.value)).toBeUndefined();
      const actions = (await scene.store.audit({ limit: 9 })).map(({ action }) => action);
      expect(actions).toEqual(['revoke', 'grant']);
    });

    it('have an id and a credential that nobody else has', async () => {
      const { principals } = scene.store;
      await principals.add(ci, alice);
      const others = [
        { ...ci, credential: { kind: 'token', value: 'b' } },
        { ...ci, id: 'other' },
      ] as const;
      for (const other of others) await expectCode(principals.add(other, alice), 'CACHE_PRINCIPAL_EXISTS');
      expect(await principals.list()).toHaveLength(1);
    });

    it('are not found once they are over', async () => {
      const { principals } = scene.store;
      await principals.add({ ...ci, expiresAt: new Date(scene.clock.now().getTime() + 1000) }, alice);
      expect((await principals.find('token', ci.credential.value))?.id).toBe('ci');
      scene.clock.advance(1000);
      expect(await principals.find('token', ci.credential.value)).toBeUndefined();
    });
  });
}
