import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Secret } from '@waybill/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSecretKeys } from './secret-keys.js';
import { createSecretSeal } from './secret-seal.js';

const [one, two] = [randomBytes(32), randomBytes(32)];
const secrets: Secret[] = [
  { type: 'basic-auth', url: 'https://a.example:443/**', credentials: 'me:päss' },
  { type: 'macaroon', url: 'https://b.example:443/**', credentials: 'AgEA' },
];

describe('createSecretSeal', () => {
  const seal = createSecretSeal([one]);

  it('opens what it sealed, and shows nothing of it', () => {
    const sealed = seal.seal('a1', secrets) ?? '';
    expect(seal.open('a1', sealed)).toEqual(secrets);
    expect(sealed).toMatch(/^[A-Za-z0-9_-]+$/);
    const bytes = Buffer.from(sealed, 'base64url').toString('latin1');
    for (const word of ['me:', 'AgEA', 'example', 'macaroon']) expect(bytes).not.toContain(word);
  });

  it('nothing to seal: nothing', () => expect(seal.seal('a1', [])).toBeUndefined());

  it('the same secrets never look the same twice', () => {
    expect(seal.seal('a1', secrets)).not.toBe(seal.seal('a1', secrets));
  });

  it('belongs to one session', () => {
    expect(seal.open('a2', seal.seal('a1', secrets) ?? '')).toBeUndefined();
  });

  it('a changed byte anywhere: not opened', () => {
    const bytes = Buffer.from(seal.seal('a1', secrets) ?? '', 'base64url');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(seal.open('a1', changed.toString('base64url')), `byte ${at}`).toBeUndefined();
    }
  });

  it.each(['', 'AQ', '!!!', 'A'.repeat(44)])('%j is nothing sealed', (text) => {
    expect(seal.open('a1', text)).toBeUndefined();
  });

  it('a cut text: not opened', () => {
    const sealed = seal.seal('a1', secrets) ?? '';
    for (const length of [10, 20, 40, 50, sealed.length - 4])
      expect(seal.open('a1', sealed.slice(0, length))).toBeUndefined();
  });

  it('rotation: the first key seals, the others still open', () => {
    const old = seal.seal('a1', secrets) ?? '';
    const rotated = createSecretSeal([two, one]);
    expect(rotated.open('a1', old)).toEqual(secrets);
    const fresh = rotated.seal('a1', secrets) ?? '';
    expect(seal.open('a1', fresh)).toBeUndefined();
    expect(createSecretSeal([two]).open('a1', fresh)).toEqual(secrets);
    expect(createSecretSeal([two]).open('a1', old)).toBeUndefined();
  });

  it('needs a key', () => expect(() => createSecretSeal([])).toThrow(RangeError));
});

describe('readSecretKeys', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-keys-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  async function keyFile(text: string, mode = 0o600): Promise<string> {
    const file = join(dir, randomBytes(4).toString('hex'));
    await writeFile(file, text);
    await chmod(file, mode);
    return file;
  }

  it('neither variable: no keys', async () => {
    expect(await readSecretKeys({ FETCH_SERVICE_SECRETS_KEY: '', FETCH_SERVICE_SECRETS_KEY_FILE: '' })).toBeUndefined();
  });

  it('base64, base64url and hex, in order', async () => {
    const text = `${one.toString('base64')}, ${one.toString('base64url')},${two.toString('hex')}`;
    expect(await readSecretKeys({ FETCH_SERVICE_SECRETS_KEY: text })).toEqual([one, one, two]);
  });

  it('from a file, with comments and empty lines', async () => {
    const file = await keyFile(`# new\n${two.toString('base64')}\n\n${one.toString('hex')} # until Monday\n`);
    expect(await readSecretKeys({ FETCH_SERVICE_SECRETS_KEY_FILE: file })).toEqual([two, one]);
  });

  it.each(['password', one.toString('hex').slice(1), one.subarray(1).toString('base64'), ',', ' '])(
    'the key %j: an error that does not show it',
    async (text) => {
      const failure = await readSecretKeys({ FETCH_SERVICE_SECRETS_KEY: text }).catch((cause: unknown) => cause);
      expect(failure).toMatchObject({
        code: 'FETCH_SECRETS_KEY_INVALID',
        hint: expect.stringContaining('openssl rand'),
      });
      if (text.length > 1) expect((failure as Error).message).not.toContain(text);
    },
  );

  it.each([
    [
      'readable by all',
      async () => ({ FETCH_SERVICE_SECRETS_KEY_FILE: await keyFile(one.toString('hex'), 0o604) }),
      'by others',
    ],
    ['missing', async () => ({ FETCH_SERVICE_SECRETS_KEY_FILE: join(dir, 'missing') }), 'cannot be read'],
    ['empty', async () => ({ FETCH_SERVICE_SECRETS_KEY_FILE: await keyFile('# none\n') }), 'holds no key'],
    [
      'beside the variable',
      async () => ({ FETCH_SERVICE_SECRETS_KEY_FILE: 'a', FETCH_SERVICE_SECRETS_KEY: one.toString('hex') }),
      'both',
    ],
  ])('a key file that is %s: an error', async (_name, environment, message) => {
    await expect(readSecretKeys(await environment())).rejects.toMatchObject({
      code: 'FETCH_SECRETS_KEY_INVALID',
      message: expect.stringContaining(message),
    });
  });
});
