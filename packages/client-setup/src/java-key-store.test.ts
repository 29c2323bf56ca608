import { createHash } from 'node:crypto';
import { createRootCa } from '@waybill/ca';
import { describe, expect, it } from 'vitest';
import { writeJavaKeyStore } from './java-key-store.js';
import { readCertificates } from './pem.js';

describe('writeJavaKeyStore', () => {
  it('lays out header, entries and keyed digest', async () => {
    const [der] = readCertificates((await createRootCa({ commonName: 'Ünïcode Root' })).certificatePem) as [Buffer];
    const store = writeJavaKeyStore([der], 'pass', new Date(1_700_000_000_000));
    expect(store.subarray(0, 16).toString('hex')).toBe('feedfeed000000020000000100000002');
    const aliasLength = store.readUInt16BE(16);
    expect(store.subarray(18, 18 + aliasLength).toString()).toBe('0 cn=?n?code root');
    const afterAlias = 18 + aliasLength;
    expect(store.readBigUInt64BE(afterAlias)).toBe(1_700_000_000_000n);
    expect(store.subarray(afterAlias + 8, afterAlias + 15).toString('latin1')).toBe('\0\x05X.509');
    expect(store.readUInt32BE(afterAlias + 15)).toBe(der.length);
    expect(store.subarray(afterAlias + 19, -20)).toEqual(der);
    const password = Buffer.from('\0p\0a\0s\0s', 'latin1');
    const digest = createHash('sha1')
      .update(password)
      .update('Mighty Aphrodite')
      .update(store.subarray(0, -20))
      .digest();
    expect(store.subarray(-20)).toEqual(digest);
  });

  it('gives every entry a name of its own', async () => {
    const roots = await Promise.all([1, 2].map(() => createRootCa({ commonName: 'Same' })));
    const store = writeJavaKeyStore(
      readCertificates(roots.map(({ certificatePem }) => certificatePem).join('')),
      'x',
      new Date(0),
    );
    expect(store.readUInt32BE(8)).toBe(2);
    expect(store.includes('0 cn=same')).toBe(true);
    expect(store.includes('1 cn=same')).toBe(true);
  });
});
