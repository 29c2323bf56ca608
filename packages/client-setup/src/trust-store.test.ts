import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createRootCa } from '@waybill/ca';
import { expect, it } from 'vitest';
import { useFolder } from '../test/folder.js';
import { objectId, uint } from './der.js';
import { readCertificates } from './pem.js';
import { writeTrustStore } from './trust-store.js';

const path = useFolder();

it('is the same for the same certificates, and another for others', async () => {
  const [one, two] = (await Promise.all([createRootCa(), createRootCa()])).flatMap(({ certificatePem }) =>
    readCertificates(certificatePem),
  ) as [Buffer, Buffer];
  const store = writeTrustStore([one, two], 'changeit');
  expect(store.equals(writeTrustStore([one, two], 'changeit'))).toBe(true);
  expect(store.equals(writeTrustStore([one, two], 'another'))).toBe(false);
  expect([one, two].every((der) => store.includes(der))).toBe(true);
});

it('is read by OpenSSL, whole and with its digest right', async () => {
  const roots = await Promise.all([createRootCa({ commonName: 'First' }), createRootCa({ commonName: 'Größe' })]);
  const ders = roots.flatMap(({ certificatePem }) => readCertificates(certificatePem));
  await writeFile(path('trust.p12'), writeTrustStore(ders, 'changeit'));
  const read = (password: string) =>
    execFileSync('openssl', ['pkcs12', '-in', path('trust.p12'), '-nokeys', '-passin', `pass:${password}`], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
  expect(readCertificates(read('changeit'))).toEqual(ders);
  expect(() => read('wrong')).toThrow(/invalid password/i);
});

it.each([
  [0, '020100'],
  [127, '02017f'],
  [128, '02020080'],
  [1024, '02020400'],
])('writes %i as %s', (number, hex) => {
  expect(uint(number).toString('hex')).toBe(hex);
});

it('writes long arcs of object ids', () => {
  expect(objectId('2.16.840.1.113894.746875.1.1').toString('hex')).toBe('060c6086480186f966adca7b0101');
});
