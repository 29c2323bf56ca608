import { reformatKey, revokeKey } from 'openpgp';
import { beforeAll, describe, expect, it } from 'vitest';
import { signedOverMd5, signedOverSha1, signedOverSha256, weakHashKey } from '../../test/apt-captured.js';
import {
  clearsign,
  daysFromNow,
  detachSign,
  now,
  releaseText,
  type TestKey,
  testKey,
} from '../../test/apt-fixtures.js';
import { fingerprintOf, readKeyRing } from './key-ring.js';
import { checkClearsigned, checkDetached, readClearsigned, type SignatureCheck } from './open-pgp.js';

let key: TestKey;
let other: TestKey;
let subkey: TestKey;
const text = releaseText();

beforeAll(async () => {
  [key, other, subkey] = await Promise.all([testKey(), testKey({ name: 'Other' }), testKey({ subkey: true })]);
});

async function check(signed: string, armored: string, at = now): Promise<SignatureCheck> {
  const { message } = await readClearsigned(Buffer.from(signed));
  return checkClearsigned(message, await readKeyRing(armored), at);
}

describe('clearsigned text', () => {
  it('is valid with the configured key, and gives back what was signed', async () => {
    const signed = await clearsign(`${text}- dashed\nFrom me\n`, key);
    const read = await readClearsigned(Buffer.from(signed));
    expect(read.text).toBe(`${text}- dashed\nFrom me\n`);
    const found = await checkClearsigned(read.message, await readKeyRing(key.armored), now);
    expect(found).toMatchObject({ valid: true });
  });

  it.each([
    ['a version 6 key', () => testKey({ v6: true })],
    ['an RSA key', () => testKey({ rsa: true })],
    ['a signing subkey', () => testKey({ subkey: true })],
  ])('is valid with %s', async (_name, make) => {
    const made = await make();
    const found = await check(await clearsign(text, made), made.armored);
    expect(found).toMatchObject({ valid: true });
    if (found.valid) expect(found.signers[0]?.key.getFingerprint()).toBe(made.secret.getFingerprint());
  });

  it('names the primary key and the subkey that signed', async () => {
    const found = await check(await clearsign(text, subkey), subkey.armored);
    if (!found.valid) throw new Error(found.reason);
    const [signer] = found.signers;
    expect(signer && fingerprintOf(signer.key)).toBe(subkey.secret.getFingerprint().toUpperCase());
    expect(signer?.signingKey).toBe(subkey.secret.subkeys[0]?.getFingerprint().toUpperCase());
  });

  it('needs one of several signatures by one of several keys', async () => {
    const signed = await clearsign(text, [other, key]);
    expect(await check(signed, key.armored)).toMatchObject({ valid: true });
    const ring = `${subkey.armored}\n${other.armored}\n${key.armored}`;
    const found = await check(signed, ring);
    expect(found.valid && found.signers.length).toBe(2);
  });

  it('takes any of several copies of a key', async () => {
    const expired = await reformatKey({
      privateKey: key.secret,
      userIDs: [{ name: 'Test Archive' }],
      date: daysFromNow(-300),
      keyExpirationTime: 86_400,
      format: 'object',
    });
    const signed = await clearsign(text, key);
    expect(await check(signed, `${expired.publicKey.armor()}\n${key.armored}`)).toMatchObject({ valid: true });
    expect(await check(signed, expired.publicKey.armor())).toMatchObject({ valid: false });
  });

  it('takes a copy of a key whose self-signature is newer than the message', async () => {
    const renewed = await reformatKey({
      privateKey: key.secret,
      userIDs: [{ name: 'Test Archive' }],
      date: daysFromNow(-0.01),
      keyExpirationTime: 86_400 * 500,
      format: 'object',
    });
    expect(await check(await clearsign(text, key), renewed.publicKey.armor())).toMatchObject({ valid: true });
  });

  it.each<[string, (signed: string) => string | Promise<string>, RegExp]>([
    [
      'a changed letter',
      (signed) => signed.replace('Test Archive', 'Best Archive'),
      /Signed digest did not match|mismatch/i,
    ],
    ['an added field', (signed) => signed.replace('Codename:', 'Extra: x\nCodename:'), /did not match/i],
    ['a dropped line', (signed) => signed.replace(/^Label:.*\n/m, ''), /did not match/i],
    ['another key', () => clearsign(text, other), /none of them a configured key/],
    ['a signature from the future', () => clearsign(text, key, { date: daysFromNow(2) }), /in the future/],
    [
      'a signature older than its key',
      async () => clearsign(text, await testKey({ created: daysFromNow(-2) }), { date: daysFromNow(-1) }),
      /none of them/,
    ],
  ])('is refused with %s', async (_name, change, reason) => {
    const found = await check(await change(await clearsign(text, key)), key.armored);
    expect(found).toMatchObject({ valid: false });
    if (!found.valid) expect(found.reason).toMatch(reason);
  });

  it.each([
    ['SHA-1', signedOverSha1],
    ['MD5', signedOverMd5],
  ])('is refused over %s', async (_name, signed) => {
    const found = await check(signed, weakHashKey);
    expect(found).toMatchObject({ valid: false, reason: expect.stringMatching(/Insecure.* hash algorithm/) });
    expect(await check(signedOverSha256, weakHashKey)).toMatchObject({ valid: true });
  });

  it('is refused when its key has expired since, or before', async () => {
    const short = await testKey({ created: daysFromNow(-10), expiresInDays: 9 });
    const signed = await clearsign(text, short, { date: daysFromNow(-5) });
    const later = await check(signed, short.armored);
    expect(later).toMatchObject({ valid: false, reason: expect.stringMatching(/expired/) });
    expect(await check(signed, short.armored, daysFromNow(-3))).toMatchObject({ valid: true });
  });

  it('is refused when its key is revoked', async () => {
    const { publicKey } = await revokeKey({ key: key.secret, date: daysFromNow(-2), format: 'object' });
    const found = await check(await clearsign(text, key), publicKey.armor());
    expect(found).toMatchObject({ valid: false, reason: expect.stringMatching(/revoked/) });
  });

  it('is refused when no key can be read', async () => {
    const broken = key.armored.replace(/\n\n[\s\S]{20}/, '\n\nAAAAAAAAAAAAAAAAAAAA');
    const found = await check(await clearsign(text, key), broken);
    expect(found).toMatchObject({ valid: false, reason: expect.stringMatching(/no usable key.*block 1/) });
  });

  it('is refused with more signatures than any archive makes', async () => {
    const signed = await clearsign(
      text,
      Array.from({ length: 33 }, () => key),
    );
    expect(await check(signed, key.armored)).toMatchObject({
      valid: false,
      reason: expect.stringMatching(/33 signatures/),
    });
  });
});

describe('the frame of a clearsigned file', () => {
  it.each<[string, (signed: string) => string, RegExp]>([
    ['text before', (signed) => `Origin: Evil\n\n${signed}`, /does not begin with/],
    ['a blank line before', (signed) => `\n${signed}`, /does not begin with/],
    ['text behind', (signed) => `${signed}Origin: Evil\n`, /after its signature/],
    [
      'text between',
      (signed) =>
        signed.replace('-----BEGIN PGP SIGNATURE', 'x\n-----END PGP SIGNATURE-----\n-----BEGIN PGP SIGNATURE'),
      /not exactly one/,
    ],
    ['a second message behind', (signed) => `${signed}${signed}`, /not exactly one/],
    ['no signature', (signed) => signed.slice(0, signed.indexOf('-----BEGIN PGP SIGNATURE')), /not exactly one/],
    ['no text at all', () => '', /does not begin with/],
    [
      'damaged base64',
      (signed) => signed.replace(/\n\n(\S{8})(?=\S*\n\S+\n(\S+\n)*=?\S*\n?-----END)/, '\n\n????????'),
      /cannot be read/,
    ],
    ['a wrong Hash header', (signed) => signed.replace(/^Hash: .*$/m, 'Hash: SHA1'), /cannot be read/],
    [
      'millions of lines',
      (signed) => signed.replace('Origin:', `${'\n'.repeat(2_000_000)}Origin:`),
      /more than 20000 lines/,
    ],
    [
      'a megabyte of signatures',
      (signed) => signed.replace(/\n\n(?=\S+\n\S+\n(\S+\n)*=?\S*\n?-----END)/, `\n\n${'A'.repeat(1 << 20)}\n`),
      /bytes of signatures/,
    ],
    ['a foreign armor header', (signed) => signed.replace(/^Hash: .*$/m, 'Comment: SHA1'), /cannot be read/],
  ])('refuses %s', async (_name, change, reason) => {
    const signed = change(await clearsign(text, key));
    await expect(readClearsigned(Buffer.from(signed))).rejects.toThrow(reason);
  });

  it('refuses what is no UTF-8', async () => {
    const signed = Buffer.from(await clearsign(text, key));
    signed[60] = 0xff;
    await expect(readClearsigned(signed)).rejects.toThrow(/UTF-8/);
  });

  it('takes CRLF line ends', async () => {
    const signed = (await clearsign(text, key)).replaceAll('\n', '\r\n');
    const { message, text: read } = await readClearsigned(Buffer.from(signed));
    expect(read).toBe(text);
    expect(await checkClearsigned(message, await readKeyRing(key.armored), now)).toMatchObject({ valid: true });
  });
});

describe('a detached signature', () => {
  const detached = async (signature: string | Uint8Array, data = text) =>
    checkDetached(Buffer.from(data), Buffer.from(signature), await readKeyRing(key.armored), now);

  it('is valid for exactly these bytes', async () => {
    const signature = await detachSign(text, key);
    expect(await detached(signature)).toMatchObject({ valid: true });
    expect(await detached(signature, `${text} `)).toMatchObject({ valid: false });
    expect(await detached(signature, text.replaceAll('\n', '\r\n'))).toMatchObject({ valid: false });
  });

  it('is valid in binary form', async () => {
    const armored = await detachSign(text, key);
    const body = /\n\n([\s\S]+?)\n=/.exec(armored)?.[1] ?? '';
    expect(await detached(Buffer.from(body, 'base64'))).toMatchObject({ valid: true });
  });

  it('is valid when one of several blocks is', async () => {
    const [own, foreign] = [await detachSign(text, key), await detachSign(text, other)];
    expect(await detached(`${foreign}${own}`)).toMatchObject({ valid: true });
    expect(await detached(`${own}\n\n${foreign}\n`.replaceAll('\n', '\r\n'))).toMatchObject({ valid: true });
    expect(await detached(`${foreign}${foreign}`)).toMatchObject({ valid: false });
  });

  it('is refused by another key', async () => {
    expect(await detached(await detachSign(text, other))).toMatchObject({ valid: false });
  });

  it.each([
    ['nothing', ''],
    ['text', 'hello'],
    ['a megabyte', `-----BEGIN PGP SIGNATURE-----\n\n${'A'.repeat(1 << 20)}`],
    ['a broken block', '-----BEGIN PGP SIGNATURE-----\n\nxxxx\n-----END PGP SIGNATURE-----\n'],
  ])('that is %s gives no valid signature', async (_name, signature) => {
    const found = await detached(signature).catch((error: Error) => error.message);
    expect(typeof found === 'string' || !found.valid).toBe(true);
  });
});

describe('key rings', () => {
  it('reads several blocks, indented ones, and says which it cannot read', async () => {
    const indented = other.armored.replace(/^/gm, '    ');
    const ring = await readKeyRing(
      `${key.armored}\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n${indented}`,
    );
    expect(ring.keys.map((one) => one.getFingerprint())).toEqual([
      key.secret.getFingerprint(),
      other.secret.getFingerprint(),
    ]);
    expect(ring.problems).toEqual([expect.stringMatching(/^block 2/)]);
  });

  it('has nothing without an end line', async () => {
    expect(await readKeyRing('-----BEGIN PGP PUBLIC KEY BLOCK-----')).toMatchObject({
      keys: [],
      problems: [expect.any(String)],
    });
  });
});
