import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { handshake } from '../test/handshake.js';
import { checkRootCa } from './check-root-ca.js';
import { createRootCa, publicKeyDer } from './create-root-ca.js';
import { createLeafIssuer } from './leaf-issuer.js';
import { parseRootCa, type RootCa } from './root-ca.js';
import { addDays } from './validity.js';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PeculiarCertificate,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from './x509.js';

const start = new Date('2026-03-01T12:00:00.789Z');
let now = start;
const clock = { now: () => now };
let root: RootCa;

beforeAll(async () => {
  root = await createRootCa({ clock });
});
afterEach(() => {
  now = start;
});

const longHost = `${'a'.repeat(60)}.${'b'.repeat(60)}.example`;

describe('a leaf', () => {
  it.each([
    ['host.example', 'DNS:host.example', 'CN=host.example'],
    ['HOST.example.', 'DNS:host.example', 'CN=host.example'],
    ['192.0.2.7', 'IP Address:192.0.2.7', 'CN=192.0.2.7'],
    ['::1', 'IP Address:0:0:0:0:0:0:0:1', 'CN=::1'],
    ['2001:db8::7', 'IP Address:2001:DB8:0:0:0:0:0:7', 'CN=2001:db8::7'],
    [longHost, `DNS:${longHost}`, undefined],
  ])('of %s names it', async (host, alternativeName, subject) => {
    const { certificate } = await handshake(createLeafIssuer({ root, clock }), host);
    expect(certificate.subjectAltName).toBe(alternativeName);
    expect(certificate.subject || undefined).toBe(subject);
    const critical = new PeculiarCertificate(certificate.raw).getExtension(SubjectAlternativeNameExtension)?.critical;
    expect(critical).toBe(subject === undefined);
  });

  it('has what strict clients look for', async () => {
    const { certificate } = await handshake(createLeafIssuer({ root, clock }), 'host.example');
    const parsed = new PeculiarCertificate(certificate.raw);
    expect(parsed.getExtension(BasicConstraintsExtension)).toMatchObject({ ca: false, critical: true });
    expect(parsed.getExtension(KeyUsagesExtension)).toMatchObject({
      usages: KeyUsageFlags.digitalSignature,
      critical: true,
    });
    expect(parsed.getExtension(ExtendedKeyUsageExtension)?.usages).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(parsed.getExtension(AuthorityKeyIdentifierExtension)?.keyId).toBe(await root.keyIdentifier());
    expect(parsed.getExtension(SubjectKeyIdentifierExtension)?.keyId).toMatch(/^[0-9a-f]{40}$/);
    expect(certificate.checkIssued(new X509Certificate(root.certificatePem))).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  });

  it.each([undefined, 1, 395])('lasts at most 397 days with clock skew (%s days asked)', async (days) => {
    const { certificate } = await handshake(createLeafIssuer({ root, clock, ...(days && { days }) }), 'host.example');
    const lifeDays = (certificate.validToDate.getTime() - certificate.validFromDate.getTime()) / 86_400_000;
    expect(lifeDays).toBeLessThanOrEqual(397);
    expect(certificate.validToDate.getTime()).toBe(addDays(new Date('2026-03-01T12:00:00Z'), days ?? 90).getTime());
    expect(certificate.validFromDate.getTime()).toBe(root.notBefore.getTime());
  });

  it('starts two days back when the root is older', async () => {
    now = addDays(start, 100);
    const { certificate } = await handshake(createLeafIssuer({ root, clock }), 'host.example');
    expect(certificate.validFromDate.toISOString()).toBe('2026-06-07T12:00:00.000Z');
  });

  it('does not outlive its root', async () => {
    const short = await createRootCa({ days: 10, clock });
    const { certificate } = await handshake(createLeafIssuer({ root: short, clock }), 'host.example');
    expect(certificate.validToDate).toEqual(short.notAfter);
  });

  it('shares one key per issuer and has a serial number of its own', async () => {
    const issuer = createLeafIssuer({ root, clock });
    const [one, other] = await Promise.all(
      ['a.example', 'b.example'].map(async (host) => (await handshake(issuer, host)).certificate),
    );
    const [elsewhere] = await Promise.all([handshake(createLeafIssuer({ root, clock }), 'a.example')]);
    const key = (certificate: X509Certificate | undefined) =>
      certificate?.publicKey.export({ type: 'spki', format: 'der' }).toString('hex');
    expect(key(one)).toBe(key(other));
    expect(key(one)).not.toBe(key(elsewhere.certificate));
    expect(one?.serialNumber).not.toBe(other?.serialNumber);
  });

  it.each(['rsa', 'P-384'])('is accepted when an existing %s CA signs it', async (type) => {
    const key =
      type === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: type });
    const existing = await createRootCa({ key: key.privateKey, clock });
    const { certificate, authorized } = await handshake(createLeafIssuer({ root: existing, clock }), 'host.example');
    expect(certificate.verify(new X509Certificate(existing.certificatePem).publicKey)).toBe(true);
    expect(authorized).toBe(true);
  });

  it('comes with the certificate of an intermediate CA', async () => {
    const intermediate = await intermediateOf(await createRootCa({ clock }));
    expect(checkRootCa(intermediate, { clock }).map(({ problem }) => problem)).toEqual(['not-self-signed']);
    const { chain } = await handshake(createLeafIssuer({ root: intermediate, clock }), 'host.example');
    expect(chain.map((certificate) => certificate.subject)).toEqual(['CN=host.example', 'CN=Intermediate']);
  });
});

async function intermediateOf(parent: RootCa): Promise<RootCa> {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const certificate = await X509CertificateGenerator.create({
    subject: 'CN=Intermediate',
    issuer: parent.parsed().subjectName,
    notBefore: parent.notBefore,
    notAfter: parent.notAfter,
    publicKey: publicKeyDer(key),
    signingKey: parent.signingKey.cryptoKey,
    signingAlgorithm: parent.signingKey.algorithm,
    extensions: [new BasicConstraintsExtension(true, 0, true)],
  });
  return parseRootCa({
    certificatePem: certificate.toString('pem'),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  });
}

describe('createLeafIssuer', () => {
  it('keeps a context per host, whatever its spelling', async () => {
    const issuer = createLeafIssuer({ root, clock });
    const first = await issuer.contextFor('host.example');
    expect(await issuer.contextFor('HOST.example.')).toBe(first);
    expect(await issuer.contextFor('other.example')).not.toBe(first);
    expect(issuer.stats()).toEqual({ contexts: 2, hits: 1, issued: 2, evicted: 0 });
    expect(issuer.root).toBe(root);
  });

  it('shares the work of concurrent requests', async () => {
    const issuer = createLeafIssuer({ root, clock });
    const contexts = await Promise.all(Array.from({ length: 50 }, () => issuer.contextFor('host.example')));
    expect(new Set(contexts).size).toBe(1);
    expect(issuer.stats()).toMatchObject({ issued: 1, hits: 49 });
  });

  it('forgets the least recently used host', async () => {
    const issuer = createLeafIssuer({ root, clock, maxContexts: 2 });
    const a = await issuer.contextFor('a.example');
    const b = await issuer.contextFor('b.example');
    expect(await issuer.contextFor('a.example')).toBe(a);
    await issuer.contextFor('c.example');
    expect(issuer.stats()).toMatchObject({ contexts: 2, evicted: 1 });
    expect(await issuer.contextFor('a.example')).toBe(a);
    expect(await issuer.contextFor('b.example')).not.toBe(b);
  });

  it('stays bounded with ever new hosts at once', async () => {
    const issuer = createLeafIssuer({ root, clock, maxContexts: 5 });
    await Promise.all(Array.from({ length: 40 }, (_, i) => issuer.contextFor(`h${i}.example`)));
    expect(issuer.stats().contexts).toBe(5);
  });

  it('renews a leaf when a third of its life is left', async () => {
    const issuer = createLeafIssuer({ root, clock, days: 90 });
    const first = await issuer.contextFor('host.example');
    now = addDays(start, 59);
    expect(await issuer.contextFor('host.example')).toBe(first);
    now = addDays(start, 61);
    expect(await issuer.contextFor('host.example')).not.toBe(first);
    expect(issuer.stats().contexts).toBe(1);
  });

  it('still caches when the root ends before the leaf would', async () => {
    const issuer = createLeafIssuer({ root: await createRootCa({ days: 3, clock }), clock, days: 90 });
    expect(await issuer.contextFor('host.example')).toBe(await issuer.contextFor('host.example'));
  });

  it('refuses when the root has expired, and keeps no failure', async () => {
    const short = await createRootCa({ days: 10, clock });
    const issuer = createLeafIssuer({ root: short, clock });
    now = addDays(start, 11);
    await expect(issuer.contextFor('host.example')).rejects.toMatchObject({ code: 'CA_EXPIRED' });
    expect(issuer.stats().contexts).toBe(0);
    now = start;
    await expect(issuer.contextFor('host.example')).resolves.toBeDefined();
  });

  it.each(['constructor', '__proto__', '../../../x', 'a\0b', '*.example', '', 'x'.repeat(300)])(
    'refuses host %j',
    async (host) => {
      const issuer = createLeafIssuer({ root, clock });
      await expect(issuer.contextFor(host)).rejects.toMatchObject({ code: 'CA_HOST_INVALID' });
      expect(issuer.stats()).toMatchObject({ contexts: 0, issued: 0 });
    },
  );

  it.each([{ days: 396 }, { days: 0 }, { days: Number.NaN }, { maxContexts: 0 }])('refuses %j', (options) => {
    expect(() => createLeafIssuer({ root, clock, ...options })).toThrow(
      expect.objectContaining({ code: 'CA_VALIDITY_INVALID' }),
    );
  });
});
