import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { inspectorsConfigSchema } from '@waybill/contracts';
import { buildPackageTarball } from '@waybill/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeInspector } from '../../test/describe-inspector.js';
import { createFakeSession, type FakeSessionOptions } from '../../test/fake-session.js';
import { npmKeys } from './keys.js';
import { npmPackument } from './packument.js';
import { npmKeyProblems, parseKeys, SignatureFormatError } from './signatures.js';
import { npmTarball } from './tarball.js';

const registry = 'https://registry.example';
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = (key: KeyObject) => key.export({ type: 'spki', format: 'der' }).toString('base64');
const listed = (keyid: string, key: KeyObject, more: object = {}) => ({
  ...{ expires: null, keyid, keytype: 'ecdsa-sha2-nistp256', scheme: 'ecdsa-sha2-nistp256', key: spki(key) },
  ...more,
});
const keyList = (...keys: unknown[]) => JSON.stringify({ keys });
const own = { keyid: 'SHA256:own', key: spki(publicKey) };

const tarball = buildPackageTarball({ manifest: { name: 'pad', version: '1.0.0' } });
const integrityOf = (bytes: Uint8Array) => `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
const integrity = integrityOf(tarball);
const signature = (text = `pad@1.0.0:${integrity}`, key = privateKey) =>
  sign('sha256', Buffer.from(text), key).toString('base64');
const good = [{ keyid: 'SHA256:own', sig: signature() }];
const url = `${registry}/pad/-/pad-1.0.0.tgz`;

function packument(signatures: unknown, { dist = {}, top = {} }: { dist?: object; top?: object } = {}): string {
  const version = { name: 'pad', version: '1.0.0', dist: { tarball: url, integrity, signatures, ...dist } };
  return JSON.stringify({ name: 'pad', 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': version }, ...top });
}

function inspectors(more: object = { signatures: 'require', keys: [own] }) {
  const config = inspectorsConfigSchema.parse({ npm: { registries: { main: { url: `${registry}/`, ...more } } } });
  return [npmPackument(config), npmTarball(config), npmKeys(config)];
}

async function fetched(document: string, more?: object, session: Partial<FakeSessionOptions> = {}) {
  const opened = createFakeSession({ inspectors: inspectors(more), ...session });
  expect((await opened.download(`${registry}/pad`, { body: document })).result).toBe('Approved');
  const { artifact, result } = await opened.download(url, { body: tarball });
  return { result, found: artifact.get('npm.tarball'), asked: opened.companionsAsked };
}

describeInspector({
  id: 'npm.keys',
  inspectors: () => inspectors(),
  integrity: 'format',
  good: {
    name: 'approves the keys of a configured registry',
    request: `${registry}/-/npm/v1/keys`,
    response: { body: keyList(listed('SHA256:a', publicKey), listed('SHA256:b', publicKey, { scheme: 'new' })) },
    opinion: 'Approved',
    annotations: { keys: ['SHA256:a'] },
  },
  cases: [
    {
      name: 'approves attestations of a package',
      request: `${registry}/-/npm/v1/attestations/@s%2fpad@1.0.0`,
      response: { body: '{"attestations":[{}]}' },
      opinion: 'Approved',
      metadata: { name: '@s%2fpad@1.0.0' },
    },
    {
      name: 'refuses attestations that are none',
      request: `${registry}/-/npm/v1/attestations/pad@1.0.0`,
      response: { body: '{}' },
      opinion: 'Rejected',
      reason: /no list of them/,
    },
    ...(
      [
        ['no list', '{}', /no list of keys/],
        ['a key that is none', keyList(listed('a', publicKey, { key: 'AAAA' })), /cannot be read/],
        ['a key of another kind', keyList(listed('a', generateKeyPairSync('ed25519').publicKey)), /not an ECDSA key/],
        [
          'a key of another curve',
          keyList(listed('a', generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)),
          /P-256/,
        ],
        ['a time that is none', keyList(listed('a', publicKey, { expires: 'soon' })), /no time of expiry/],
        ['more than there are', keyList(...Array.from({ length: 101 }, () => ({}))), /no list of keys/],
        ['bad UTF-8', Buffer.from([0x7b, 0xff]), /not JSON/],
      ] as const
    ).map(([name, body, reason]) => ({
      ...{ name: `refuses ${name}`, request: `${registry}/-/npm/v1/keys`, response: { body } },
      ...{ opinion: 'Rejected' as const, reason },
    })),
    { name: 'claims no POST', request: { url: `${registry}/-/npm/v1/keys`, method: 'POST' }, claim: 'Rejected' },
    { name: 'claims no other registry', request: 'https://other.example/-/npm/v1/keys', claim: 'unclaimed' },
  ],
});

describe('registry signatures', () => {
  it('of a configured key: the chain names it', async () => {
    const { result, found, asked } = await fetched(packument(good));
    expect(result, found?.reason).toBe('Approved');
    expect(found?.vouchedBy).toContainEqual({ kind: 'key', id: 'SHA256:own', name: 'signing key of registry.example' });
    expect(found?.annotations).toMatchObject({ 'signature-key': 'SHA256:own' });
    expect(asked).toEqual([]);
  });

  it('in a document that came compressed', async () => {
    const session = createFakeSession({ inspectors: inspectors() });
    const body = gzipSync(packument(good));
    await session.download(`${registry}/pad`, { body, contentEncoding: 'gzip' });
    expect((await session.download(url, { body: tarball })).result).toBe('Approved');
  });

  it('in the document of the version, which the service fetches itself', async () => {
    const document = JSON.stringify({
      name: 'pad',
      version: '1.0.0',
      dist: { tarball: url, integrity, signatures: good },
    });
    const session = createFakeSession({
      inspectors: inspectors(),
      companions: { [`${registry}/pad/1.0.0`]: document },
    });
    const { artifact, result } = await session.download(url, { body: tarball });
    expect(result, artifact.get('npm.tarball')?.reason).toBe('Approved');
    expect(artifact.get('npm.tarball')?.annotations).toMatchObject({ 'signature-key': 'SHA256:own' });
  });

  it('of a key that the registry lists, when none is configured', async () => {
    const companions = { [`${registry}/-/npm/v1/keys`]: keyList(listed('SHA256:own', publicKey)) };
    const { result, asked } = await fetched(packument(good), { signatures: 'require' }, { companions });
    expect(result).toBe('Approved');
    expect(asked).toEqual([`${registry}/-/npm/v1/keys`]);
  });

  it('of a key that has expired since count, and are noted', async () => {
    const keys = [{ ...own, expires: '2025-01-01T00:00:00.000Z' }];
    const { result, found } = await fetched(packument(good), { signatures: 'require', keys });
    expect(result).toBe('Approved');
    expect(found?.annotations).toMatchObject({ 'signature-key-expired': true });
  });

  const forged = (sig: string, keyid = 'SHA256:own') => packument([{ keyid, sig }]);
  it.each<[string, string, RegExp]>([
    [
      'by another key under the same id',
      forged(signature(undefined, other.privateKey)),
      /is not that of the key SHA256:own/,
    ],
    ['of another version', forged(signature(`pad@1.0.1:${integrity}`)), /is not that of the key/],
    ['of another package', forged(signature(`pat@1.0.0:${integrity}`)), /is not that of the key/],
    ['of other bytes', forged(signature(`pad@1.0.0:${integrityOf(Buffer.from('x'))}`)), /is not that of the key/],
    ['that are no signature', forged('AAAA'), /is not that of the key/],
    ['beside a right one', packument([...good, { keyid: 'SHA256:own', sig: 'AAAA' }]), /is not that of the key/],
    [
      'that stand elsewhere in the document, for other bytes',
      packument(undefined, {
        top: {
          dist: {
            integrity: integrityOf(Buffer.from('x')),
            signatures: [{ keyid: 'SHA256:own', sig: signature(`pad@1.0.0:${integrityOf(Buffer.from('x'))}`) }],
          },
        },
      }),
      /other bytes than it has a signature for/,
    ],
  ])('%s are refused, whether signatures are required or not', async (_name, document, reason) => {
    for (const signatures of ['verify', 'require']) {
      const { result, found } = await fetched(document, { signatures, keys: [own] });
      expect(result, signatures).toBe('Rejected');
      expect(found?.reason).toMatch(reason);
    }
  });

  it.each<[string, string]>([
    ['no signature', packument(undefined)],
    ['signatures that are no list', packument('x')],
    ['a signature by an unknown key', packument([{ keyid: 'SHA256:else', sig: signature() }])],
  ])('%s: refused where one is required, noted where not', async (_name, document) => {
    expect((await fetched(document)).result).toBe('Rejected');
    const { result, found } = await fetched(document, { signatures: 'verify', keys: [own] });
    expect(result).toBe('Approved');
    expect(found?.annotations).toMatchObject({ signature: 'none by a known key' });
    expect((await fetched(document, {})).result).toBe('Approved');
  });

  it('a registry whose keys are not to be had approves nothing that needs one', async () => {
    expect((await fetched(packument(good), { signatures: 'require' })).result).toBe('Rejected');
    const companions = { [`${registry}/-/npm/v1/keys`]: 'nothing' };
    expect((await fetched(packument(good), { signatures: 'require' }, { companions })).result).toBe('Rejected');
  });

  it('keys that cannot be read are told of in the configuration’s check', () => {
    const config = inspectorsConfigSchema.parse({
      npm: { registries: { main: { url: registry, keys: [{ ...own, key: 'AAAA' }] } } },
    });
    expect(npmKeyProblems(config)).toMatchObject([{ registry: 'main', message: /SHA256:own cannot be read/ }]);
    const fine = inspectorsConfigSchema.parse({ npm: { registries: { main: { url: registry, keys: [own] } } } });
    expect(npmKeyProblems(fine)).toEqual([]);
  });

  it('reads whatever comes as a list of keys, or says what is wrong', () => {
    const text = keyList(listed('SHA256:own', publicKey));
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(30), fc.string({ unit: 'binary', maxLength: 20 }), (at, cut, put) => {
        try {
          parseKeys(Buffer.from(text.slice(0, at) + put + text.slice(at + cut)));
        } catch (error) {
          if (!(error instanceof SignatureFormatError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});
