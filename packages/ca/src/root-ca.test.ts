import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { inspect } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkRootCa } from './check-root-ca.js';
import { createRootCa } from './create-root-ca.js';
import { parseRootCa, type RootCa } from './root-ca.js';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PeculiarCertificate,
  SubjectKeyIdentifierExtension,
} from './x509.js';

const clock = { now: () => new Date('2026-03-01T12:00:00.789Z') };
const at = (time: string) => ({ clock: { now: () => new Date(time) } });

describe('createRootCa', () => {
  let root: RootCa;
  beforeAll(async () => {
    root = await createRootCa({ commonName: 'Test root, of "Bücher"', days: 100, clock });
  });

  it('makes a self-signed P-256 CA', () => {
    expect(root.isCa).toBe(true);
    expect(root.isSelfSigned).toBe(true);
    expect(root.keyType).toBe('EC P-256');
    expect(new PeculiarCertificate(root.certificatePem).subjectName.getField('CN')).toEqual(['Test root, of "Bücher"']);
    expect(new X509Certificate(root.certificatePem).verify(new X509Certificate(root.certificatePem).publicKey)).toBe(
      true,
    );
  });

  it('has whole seconds, and a day for clocks that are behind', () => {
    expect(root.notBefore.toISOString()).toBe('2026-02-28T12:00:00.000Z');
    expect(root.notAfter.toISOString()).toBe('2026-06-09T12:00:00.000Z');
  });

  it('fills the extensions that strict parsers want', () => {
    const certificate = root.parsed();
    expect(certificate.getExtension(BasicConstraintsExtension)).toMatchObject({
      ca: true,
      pathLength: 0,
      critical: true,
    });
    expect(certificate.getExtension(KeyUsagesExtension)).toMatchObject({
      usages: KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign,
      critical: true,
    });
    const keyId = certificate.getExtension(SubjectKeyIdentifierExtension)?.keyId;
    expect(keyId).toMatch(/^[0-9a-f]{40}$/);
    expect(certificate.getExtension(AuthorityKeyIdentifierExtension)?.keyId).toBe(keyId);
  });

  it('gives every root its own name, key and serial number', async () => {
    const other = await createRootCa();
    const another = await createRootCa();
    expect(other.subject).not.toBe(another.subject);
    expect(other.keyPem).not.toBe(another.keyPem);
    expect(other.parsed().serialNumber).not.toBe(another.parsed().serialNumber);
    expect(other.parsed().serialNumber.length).toBeGreaterThanOrEqual(30);
  });

  it('survives 2050, when certificates change their spelling of time', async () => {
    const long = await createRootCa({ days: 36_500, clock });
    expect(long.notAfter.getUTCFullYear()).toBe(2126);
    expect(long.isCa).toBe(true);
  });

  it.each([
    { days: 0 },
    { days: -1 },
    { days: Number.NaN },
    { days: 40_000 },
    { commonName: '' },
    { commonName: 'x'.repeat(65) },
  ])('refuses %j', async (options) => {
    await expect(createRootCa(options)).rejects.toMatchObject({ code: 'CA_VALIDITY_INVALID' });
  });

  it('does not show its key', () => {
    const secret = root.keyPem.split('\n')[1] as string;
    expect(secret.length).toBeGreaterThan(40);
    expect(inspect(root, { depth: 10, showHidden: true, getters: false })).not.toContain(secret);
    expect(JSON.stringify(root)).not.toContain(secret);
    expect(JSON.stringify({ ...root })).not.toContain(secret);
  });
});

describe('parseRootCa', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey;

  it.each<[string, KeyObject, 'pkcs1' | 'pkcs8' | 'sec1', string]>([
    ['RSA PKCS#1', rsa, 'pkcs1', 'RSA 2048'],
    ['RSA PKCS#8', rsa, 'pkcs8', 'RSA 2048'],
    ['P-256 SEC1', p256, 'sec1', 'EC P-256'],
    ['P-256 PKCS#8', p256, 'pkcs8', 'EC P-256'],
    ['P-384 SEC1', p384, 'sec1', 'EC P-384'],
    ['P-521 PKCS#8', p521, 'pkcs8', 'EC P-521'],
  ])('takes an existing CA with %s', async (_name, key, type, keyType) => {
    const certificatePem = (await createRootCa({ key })).certificatePem;
    const root = parseRootCa({ certificatePem, keyPem: key.export({ type, format: 'pem' } as never).toString() });
    expect(root).toMatchObject({ keyType, certificatePem, isCa: true });
    expect(checkRootCa(root)).toEqual([]);
  });

  it('keeps what follows the CA in the file, and text around it is fine', async () => {
    const first = await createRootCa({ clock });
    const second = await createRootCa({ clock });
    const text = `Bag Attributes\r\n${first.certificatePem.replaceAll('\n', '\r\n')}subject=x\n${second.certificatePem}`;
    const root = parseRootCa({ certificatePem: text, keyPem: first.keyPem });
    expect(root.fingerprintSha256).toBe(first.fingerprintSha256);
    expect(root.chainPem).toBe(second.certificatePem);
  });

  it.each<[string, (root: RootCa) => { certificatePem: string; keyPem: string }, string]>([
    [
      'another key',
      (root) => ({
        ...root,
        certificatePem: root.certificatePem,
        keyPem: p256.export({ type: 'pkcs8', format: 'pem' }).toString(),
      }),
      'CA_KEY_MISMATCH',
    ],
    ['no certificate', (root) => ({ certificatePem: '', keyPem: root.keyPem }), 'CA_CERTIFICATE_INVALID'],
    [
      'a key for a certificate',
      (root) => ({ certificatePem: root.keyPem, keyPem: root.keyPem }),
      'CA_CERTIFICATE_INVALID',
    ],
    [
      'a broken certificate',
      (root) => ({ certificatePem: root.certificatePem.replace(/\n.{10}/, '\nAAAAAAAAAA'), keyPem: root.keyPem }),
      'CA_CERTIFICATE_INVALID',
    ],
    ['no key', (root) => ({ certificatePem: root.certificatePem, keyPem: '' }), 'CA_KEY_INVALID'],
    [
      'a certificate for a key',
      (root) => ({ certificatePem: root.certificatePem, keyPem: root.certificatePem }),
      'CA_KEY_INVALID',
    ],
    [
      'an encrypted key',
      (root) => ({
        certificatePem: root.certificatePem,
        keyPem: p256.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString(),
      }),
      'CA_KEY_INVALID',
    ],
    [
      'a key that not all clients take',
      (root) => ({
        certificatePem: root.certificatePem,
        keyPem: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      }),
      'CA_KEY_UNSUPPORTED',
    ],
    [
      'a short RSA key',
      (root) => ({
        certificatePem: root.certificatePem,
        keyPem: generateKeyPairSync('rsa', { modulusLength: 1024 })
          .privateKey.export({ type: 'pkcs8', format: 'pem' })
          .toString(),
      }),
      'CA_KEY_UNSUPPORTED',
    ],
  ])('refuses %s', async (_name, make, code) => {
    const root = await createRootCa({ clock });
    expect(() => parseRootCa(make(root))).toThrow(expect.objectContaining({ code }));
  });

  it('never repeats a key in an error', async () => {
    const root = await createRootCa({ clock });
    const broken = root.keyPem.replace('PRIVATE KEY-----', 'PRIVATE KEYS----');
    const error = await Promise.resolve()
      .then(() => parseRootCa({ certificatePem: root.certificatePem, keyPem: broken }))
      .catch((caught: unknown) => caught);
    expect(inspect(error, { depth: 5 })).not.toContain(root.keyPem.split('\n')[1]);
  });
});

describe('checkRootCa', () => {
  it.each([
    ['2026-03-01T00:00:00Z', []],
    ['2026-05-12T00:00:00Z', ['expires-soon']],
    ['2026-06-09T12:00:00Z', ['expired']],
    ['2030-01-01T00:00:00Z', ['expired']],
    ['2020-01-01T00:00:00Z', ['not-yet-valid']],
  ])('at %s finds %j', async (time, problems) => {
    const root = await createRootCa({ days: 100, clock });
    expect(checkRootCa(root, at(time)).map(({ problem }) => problem)).toEqual(problems);
  });

  it('names a key file that others can read, and what to do', async () => {
    const { certificatePem, keyPem } = await createRootCa({ clock });
    const root = parseRootCa({ certificatePem, keyPem }, { certFile: 'ca.pem', keyFile: 'ca.key', keyFileMode: 0o644 });
    expect(checkRootCa(root, { clock })).toEqual([
      expect.objectContaining({ severity: 'warning', problem: 'key-file-readable', hint: 'chmod 600 ca.key' }),
    ]);
  });
});
