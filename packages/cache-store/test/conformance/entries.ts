import { describe, expect, it } from 'vitest';
import { alice, blobOf, expectCode, put, type Scene, textOf } from './scene.js';

export function describeEntries(scene: Scene): void {
  describe('entries', () => {
    it('give back what was published, to the very next request', async () => {
      const main = scene.store.namespace('main');
      const [value, a, b] = [await put(main, 'value'), await put(main, 'a'), await put(main, 'b')];
      const expiresAt = new Date(scene.clock.now().getTime() + 3_600_000);
      const metadata = { tag: 'x', nested: { list: [1, null, '\u0000'] } };
      const publication = {
        kind: 'artifact',
        keys: ['strong', 'weak'],
        value,
        references: [b, a, b],
        metadata,
        expiresAt,
      } as const;
      expect(await main.publish(publication, alice)).toBe('created');
      for (const key of publication.keys) {
        expect(await main.lookup('artifact', [key])).toMatchObject({
          namespace: 'main',
          kind: 'artifact',
          key,
          value,
          references: [b, a, b],
          metadata,
          writer: alice,
          createdAt: scene.clock.now(),
          expiresAt,
          pinned: false,
        });
      }
      await scene.reopen();
      expect((await scene.store.namespace('main').lookup('artifact', ['weak']))?.value).toEqual(value);
    });

    it('are one thing, also while they are replaced: never the value of one with the references of another', async () => {
      const main = scene.store.namespace('main');
      const sets = await Promise.all(
        ['one', 'two'].map(async (text) => ({
          value: await put(main, text),
          references: [await put(main, `of ${text}`)],
        })),
      );
      let isOver = false;
      const publish = async () => {
        for (let turn = 0; turn < 150; turn++) {
          const set = sets[turn % 2] as (typeof sets)[number];
          await main.publish({ kind: 'kv', keys: ['k'], ...set, overwrite: 'last-wins' }, alice);
        }
        isOver = true;
      };
      const torn: unknown[] = [];
      const look = async () => {
        while (!isOver) {
          const listed = await main.list({ kind: 'kv', limit: 10 });
          for (const entry of [await main.lookup('kv', ['k']), ...listed]) {
            if (!entry) continue;
            const whole = sets.find(({ value }) => value.sha256 === entry.value.sha256);
            if (entry.references[0]?.sha256 !== whole?.references[0]?.sha256) torn.push(entry);
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      await Promise.all([publish(), ...Array.from({ length: 8 }, look)]);
      expect(torn).toEqual([]);
    });

    it('are found under the first key that has one', async () => {
      const main = scene.store.namespace('main');
      const [one, two] = [await put(main, 'one'), await put(main, 'two')];
      await main.publish({ kind: 'artifact', keys: ['1'], value: one }, alice);
      await main.publish({ kind: 'artifact', keys: ['2'], value: two }, alice);
      expect((await main.lookup('artifact', ['0', '2', '1']))?.value).toEqual(two);
      expect(await main.lookup('artifact', ['0', ''])).toBeUndefined();
      expect(await main.lookup('artifact', [])).toBeUndefined();
    });

    it('of one kind or namespace are not those of another', async () => {
      const main = scene.store.namespace('main');
      const value = await put(main, 'value');
      await main.publish({ kind: 'action', keys: ['key'], value }, alice);
      expect(await main.lookup('raw', ['key'])).toBeUndefined();
      expect(await scene.store.namespace('other').lookup('action', ['key'])).toBeUndefined();
    });

    it('need all their blobs to be there, in the right size', async () => {
      const main = scene.store.namespace('main');
      const value = await put(main, 'value');
      const elsewhere = await put(scene.store.namespace('other'), 'elsewhere');
      const absent = [blobOf('absent'), elsewhere, { ...value, size: 1 }];
      for (const blob of absent) {
        await expectCode(main.publish({ kind: 'kv', keys: ['k'], value: blob }, alice), 'CACHE_BLOB_MISSING');
        const publication = { kind: 'kv', keys: ['k', 'l'], value, references: [value, blob] } as const;
        await expectCode(main.publish(publication, alice), 'CACHE_BLOB_MISSING');
      }
      expect(await main.lookup('kv', ['k', 'l'])).toBeUndefined();
      expect(await main.publish({ kind: 'kv', keys: ['k'], value: blobOf('') }, alice)).toBe('created');
      expect((await main.lookup('kv', ['k']))?.value.size).toBe(0);
    });

    it('the first one wins where that is the rule', async () => {
      const main = scene.store.namespace('main');
      const [one, two] = [await put(main, 'one'), await put(main, 'two')];
      expect(await main.publish({ kind: 'action', keys: ['b'], value: one }, alice)).toBe('created');
      expect(await main.publish({ kind: 'action', keys: ['b'], value: one }, alice)).toBe('unchanged');
      expect(await main.publish({ kind: 'action', keys: ['a', 'b'], value: two }, alice)).toBe('exists');
      expect(await main.lookup('action', ['a'])).toBeUndefined();
      expect((await main.lookup('action', ['b']))?.value).toEqual(one);
      const [refusal] = await scene.store.audit({ limit: 1 });
      expect(refusal).toMatchObject({
        action: 'refuse',
        namespace: 'main',
        kind: 'action',
        sha256: two.sha256,
        writer: alice,
      });
    });

    it('the last one wins where that is the rule, and a protocol cannot ask for more than is allowed', async () => {
      scene.rules.set('fixed', { overwrite: { kv: 'first-wins', action: 'last-wins' } });
      const fixed = scene.store.namespace('fixed');
      const [one, two] = [await put(fixed, 'one'), await put(fixed, 'two')];
      for (const kind of ['kv', 'action', 'reference'] as const) {
        await fixed.publish({ kind, keys: ['k'], value: one }, alice);
      }
      expect(await fixed.publish({ kind: 'kv', keys: ['k'], value: two, overwrite: 'last-wins' }, alice)).toBe(
        'exists',
      );
      expect(await fixed.publish({ kind: 'action', keys: ['k'], value: two }, alice)).toBe('replaced');
      expect(await fixed.publish({ kind: 'reference', keys: ['k', 'l'], value: two }, alice)).toBe('replaced');
      expect((await fixed.lookup('action', ['k']))?.value).toEqual(two);
      expect((await fixed.lookup('reference', ['l']))?.value).toEqual(two);
      expect((await fixed.lookup('kv', ['k']))?.value).toEqual(one);
      expect((await fixed.usage()).entries).toBe(4);
    });

    it('of many writers to one key, one wins and the others hear of it', async () => {
      const main = scene.store.namespace('main');
      const values = await Promise.all(Array.from({ length: 12 }, (_, at) => put(main, `value ${at}`)));
      const outcomes = await Promise.all(
        values.map((value) => main.publish({ kind: 'action', keys: ['k'], value }, alice)),
      );
      expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'exists')).toHaveLength(11);
      const winner = values[outcomes.indexOf('created')];
      expect((await main.lookup('action', ['k']))?.value).toEqual(winner);
    });

    it.each(['', 'a\nb', '\0', 'x'.repeat(1025), '\ud800'])(
      'refuse the key %j, and find nothing under it',
      async (key) => {
        const main = scene.store.namespace('main');
        const value = await put(main, 'value');
        await expectCode(main.publish({ kind: 'kv', keys: ['fine', key], value }, alice), 'CACHE_KEY_INVALID');
        expect(await main.lookup('kv', ['fine'])).toBeUndefined();
        expect(await main.lookup('kv', [key])).toBeUndefined();
        expect(await main.remove('kv', key, alice)).toBe(false);
      },
    );

    it('are removed once, while their blobs stay', async () => {
      const main = scene.store.namespace('main');
      const value = await put(main, 'value');
      await main.publish({ kind: 'kv', keys: ['k'], value }, alice);
      expect(await main.remove('kv', 'k', alice)).toBe(true);
      expect(await main.remove('kv', 'k', alice)).toBe(false);
      expect(await main.lookup('kv', ['k'])).toBeUndefined();
      expect(await textOf(main, value)).toBe('value');
    });

    it('are listed in pages', async () => {
      const main = scene.store.namespace('main');
      const value = await put(main, 'value');
      const keys = ['a/%', 'a/_1', 'a/é', 'a/ü', 'b'];
      await main.publish({ kind: 'kv', keys, value, references: [value] }, alice);
      await main.publish({ kind: 'raw', keys: ['a/raw'], value }, alice);
      const first = await main.list({ kind: 'kv', prefix: 'a/', limit: 3 });
      expect(first.map(({ key }) => key)).toEqual(keys.slice(0, 3));
      expect(first[0]).toMatchObject({ value, references: [value], writer: alice });
      const rest = await main.list({ kind: 'kv', prefix: 'a/', after: { kind: 'kv', key: 'a/é' }, limit: 9 });
      expect(rest.map(({ key }) => key)).toEqual(['a/ü']);
      expect((await main.list({ limit: 9 })).map(({ kind }) => kind)).toEqual([...Array(5).fill('kv'), 'raw']);
      expect((await main.list({ prefix: 'a/_', limit: 9 })).map(({ key }) => key)).toEqual(['a/_1']);
    });

    it('can be pinned, which is kept and shown', async () => {
      const main = scene.store.namespace('main');
      const value = await put(main, 'value');
      await main.publish({ kind: 'kv', keys: ['k'], value }, alice);
      expect(await main.pin('kv', 'k', true, alice)).toBe(true);
      expect(await main.pin('kv', 'none', true, alice)).toBe(false);
      expect((await main.lookup('kv', ['k']))?.pinned).toBe(true);
      expect(await main.pin('kv', 'k', false, alice)).toBe(true);
      expect((await main.list({ limit: 1 }))[0]?.pinned).toBe(false);
    });
  });
}
