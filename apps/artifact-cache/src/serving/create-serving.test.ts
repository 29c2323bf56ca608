import { createMemoryCacheStore } from '@waybill/cache-store';
import { describe, expect, it } from 'vitest';
import { createServing, type ServingOptions, tokenDigest } from './create-serving.js';
import { isGranted } from './grants.js';
import type { OpenRight } from './serving.js';

const admin = { principal: 'test' };

async function set(options: Partial<ServingOptions> = {}) {
  const store = createMemoryCacheStore();
  await store.principals.add(
    {
      id: 'ci',
      credential: { kind: 'token', value: tokenDigest('right') },
      grants: [{ namespace: 'main', right: 'write' }],
    },
    admin,
  );
  await store.principals.add(
    {
      id: 'box',
      credential: { kind: 'certificate', value: 'c'.repeat(64) },
      grants: [{ namespace: '*', right: 'read' }],
    },
    admin,
  );
  const serving = createServing({ store, ...options });
  const listener = (anonymous: OpenRight) => ({ listener: { anonymous } });
  return { store, serving, listener };
}

describe('patterns of grants', () => {
  it.each([
    ['*', 'anything/below', true],
    ['main', 'main', true],
    ['main', 'main/x', false],
    ['main', 'mainx', false],
    ['pr/*', 'pr/12', true],
    ['pr/*', 'pr/12/x', true],
    ['pr/*', 'pr', false],
    ['pr/*', 'pr/', false],
    ['pr/*', 'prx/12', false],
    ['p*', 'pr', false],
  ])('%s and %s: %s', (pattern, namespace, expected) => {
    expect(isGranted([{ namespace: pattern, right: 'read' }], namespace, 'read')).toBe(expected);
  });

  it.each([
    ['read', 'write', false],
    ['write', 'read', true],
    ['write', 'admin', false],
    ['admin', 'write', true],
  ] as const)('%s asked for %s: %s', (has, asked, expected) => {
    expect(isGranted([{ namespace: '*', right: has }], 'main', asked)).toBe(expected);
  });
});

describe('who calls', () => {
  it('knows a token, and what it may do', async () => {
    const { serving, listener } = await set();
    const caller = await serving.identify({ ...listener('none'), authorization: 'Bearer right' });
    expect(caller.principal).toBe('ci');
    expect(() => serving.require(caller, 'main', 'write')).not.toThrow();
    expect(() => serving.require(caller, 'main', 'admin')).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }));
    expect(() => serving.require(caller, 'other', 'read')).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }));
  });

  it('gives a known caller what is open to everybody as well', async () => {
    const { serving, listener } = await set();
    const caller = await serving.identify({ ...listener('read'), authorization: 'Bearer right' });
    expect(() => serving.require(caller, 'other', 'read')).not.toThrow();
  });

  it('refuses a wrong token also where nobody has to show one', async () => {
    const { serving, listener } = await set();
    for (const authorization of ['Bearer wrong', 'Bearer', 'Basic ???', 'Bearer a.b.c']) {
      await expect(serving.identify({ ...listener('write'), authorization })).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      });
    }
  });

  it('asks an anonymous caller for credentials', async () => {
    const { serving, listener } = await set();
    const caller = await serving.identify(listener('read'));
    expect(caller.principal).toBe('anonymous');
    expect(() => serving.require(caller, 'main', 'read')).not.toThrow();
    expect(() => serving.require(caller, 'main', 'write')).toThrow(
      expect.objectContaining({ code: 'UNAUTHENTICATED' }),
    );
  });

  it('notes a refused write in the audit log, and no refused read', async () => {
    const { serving, store, listener } = await set();
    const caller = await serving.identify({ ...listener('none'), authorization: 'Bearer right', address: '192.0.2.1' });
    expect(() => serving.require(caller, 'other', 'read')).toThrow();
    expect(() => serving.require(caller, 'other', 'write')).toThrow();
    const refusals = (await store.audit({ limit: 10 })).filter(({ action }) => action === 'refuse');
    expect(refusals).toMatchObject([{ namespace: 'other', writer: { principal: 'ci', address: '192.0.2.1' } }]);
  });

  it('knows a certificate; another one is wrong unless the listener trusts its CA', async () => {
    const { serving } = await set();
    const listener = { anonymous: 'read' } as const;
    const known = await serving.identify({ listener, certificate: { sha256: 'c'.repeat(64) } });
    expect(known.principal).toBe('box');
    const other = { sha256: 'd'.repeat(64) };
    await expect(serving.identify({ listener, certificate: other })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    const trusting = await serving.identify({ listener: { ...listener, certified: 'write' }, certificate: other });
    expect(() => serving.require(trusting, 'main', 'write')).not.toThrow();
  });

  it('closes and opens namespaces', async () => {
    const { serving, listener } = await set({ isPublic: (name) => ({ closed: false, shown: true })[name] });
    const nobody = await serving.identify(listener('none'));
    expect(serving.may(nobody, 'shown', 'read')).toBe(true);
    expect(serving.may(nobody, 'shown', 'write')).toBe(false);
    expect(serving.may(nobody, 'main', 'read')).toBe(false);
    const writer = await serving.identify(listener('write'));
    expect(serving.may(writer, 'closed', 'read')).toBe(false);
    expect(serving.may(writer, 'main', 'write')).toBe(true);
  });

  it('asks the identity provider only about what looks like a JWT', async () => {
    const asked: string[] = [];
    const { serving, listener } = await set({
      federated: async (jwt) => {
        asked.push(jwt);
        return { principal: 'oidc:x', grants: [{ namespace: 'main', right: 'read' }] };
      },
    });
    await expect(serving.identify({ ...listener('none'), authorization: 'Bearer plain' })).rejects.toThrow();
    const caller = await serving.identify({ ...listener('none'), authorization: 'Bearer a.b.c' });
    expect(caller.principal).toBe('oidc:x');
    expect(asked).toEqual(['a.b.c']);
  });
});
