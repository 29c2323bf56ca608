import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { inspectorsConfigSchema } from '@waybill/contracts';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { clearsign, detachSign, now, type TestKey, testKey } from '../../test/apt-fixtures.js';
import { describeInspector } from '../../test/describe-inspector.js';
import { createFakeSession } from '../../test/fake-session.js';
import { FormatProblem } from '../apt/format-problem.js';
import { parseChecksums } from './checksum-list.js';
import { genericChecksums } from './checksums.js';
import { MinisignError, minisignFault, readMinisignKey } from './minisign.js';

const root = 'https://files.example/tool/1.0';
const listUrl = `${root}/SHA256SUMS`;
const fileUrl = `${root}/tool-1.0.tar.gz`;
const body = 'the archive';
const hex = (text: string | Uint8Array, algorithm = 'sha256') => createHash(algorithm).update(text).digest('hex');
const list = `${hex(body)}  tool-1.0.tar.gz\n${hex('other')} *sub/other.bin\n`;

let key: TestKey;
let stranger: TestKey;
let signature: string;
beforeAll(async () => {
  [key, stranger] = await Promise.all([testKey(), testKey({ name: 'Stranger' })]);
  signature = await armored(list, key);
});

async function armored(text: string, by: TestKey): Promise<string> {
  return String(await detachSign(text, by));
}

function inspectors(more: object = {}) {
  const checksums = [{ url: 'https://files.example/tool/*/SHA256SUMS', 'public-key': key.armored, ...more }];
  return [genericChecksums(inspectorsConfigSchema.parse({ generic: { checksums } }))];
}

const pair = generateKeyPairSync('ed25519');
const id = Buffer.from('0123456789abcdef', 'hex');
const rawKey = Buffer.from((pair.publicKey.export({ format: 'jwk' }) as { x: string }).x, 'base64url');
const minisignKey = Buffer.concat([Buffer.from('Ed'), id, rawKey]).toString('base64');

/** As minisign writes it: prehashed unless `legacy`. */
function minisign(
  data: string,
  {
    legacy = false,
    by = pair.privateKey,
    comment = 'timestamp:1',
  }: { legacy?: boolean; by?: KeyObject; comment?: string } = {},
): string {
  const message = legacy ? Buffer.from(data) : createHash('blake2b512').update(data).digest();
  const made = sign(null, message, by);
  const global = sign(null, Buffer.concat([made, Buffer.from(comment)]), by);
  const packed = Buffer.concat([Buffer.from(legacy ? 'Ed' : 'ED'), id, made]).toString('base64');
  return `untrusted comment: by a test\n${packed}\ntrusted comment: ${comment}\n${global.toString('base64')}\n`;
}

/** A session in which the list and its signature lie where they are asked for. */
const session = () => ({ now, companions: { [listUrl]: list, [`${listUrl}.asc`]: signature } });

describe('with keys', () => {
  describeInspector({
    id: 'generic.checksums',
    inspectors: () => inspectors(),
    good: {
      name: 'approves a file that the signed list has',
      request: fileUrl,
      before: async (opened) => void (await opened.download(listUrl, { body: list })),
      session: { now, companions: async (url) => Buffer.from(url.href === `${listUrl}.asc` ? signature : list) },
      response: { body },
      opinion: 'Approved',
      reason: /sha256 as the signed list SHA256SUMS has it/,
      metadata: { name: 'tool-1.0.tar.gz', vendor: 'files.example' },
    },
    cases: [
      { name: 'claims no other host', request: 'https://other.example/tool/1.0/tool-1.0.tar.gz', claim: 'unclaimed' },
      { name: 'claims nothing with a query', request: `${fileUrl}?x=1`, claim: 'unclaimed' },
      { name: 'claims nothing above', request: 'https://files.example/tool-1.0.tar.gz', claim: 'unclaimed' },
      { name: 'refuses to change things', request: { url: fileUrl, method: 'PUT' }, claim: 'Rejected' },
    ],
  });
});

describe('generic.checksums', () => {
  it('approves list, signature and files, in whatever order they come', async () => {
    const opened = createFakeSession({ inspectors: inspectors(), ...session() });
    for (const [url, content] of [
      [fileUrl, body],
      [`${listUrl}.asc`, signature],
      [listUrl, list],
      [`${root}/sub/other.bin`, 'other'],
    ] as const) {
      const { artifact, result } = await opened.download(url, { body: content });
      expect(result, artifact.get('generic.checksums')?.reason).toBe('Approved');
    }
    expect(opened.companionsAsked).toContain(listUrl);
  });

  it('approves a clearsigned list, whose text alone counts', async () => {
    const signed = await clearsign(list, key);
    const opened = createFakeSession({ inspectors: inspectors(), now });
    const { artifact } = await opened.download(listUrl, { body: signed });
    expect(artifact.get('generic.checksums')).toMatchObject({ opinion: 'Approved', annotations: { files: 2 } });
    expect((await opened.download(fileUrl, { body })).result).toBe('Approved');
    const longer = `${signed}${hex('evil')}  evil\n`;
    expect((await opened.download(listUrl, { body: longer })).result).toBe('Rejected');
  });

  it('approves a list with a minisign signature, prehashed or not', async () => {
    for (const legacy of [false, true]) {
      const more = { 'public-key': undefined, 'minisign-key': minisignKey };
      const companions = { [listUrl]: list, [`${listUrl}.minisig`]: minisign(list, { legacy }) };
      const opened = createFakeSession({ inspectors: inspectors(more), now, companions });
      const { artifact, result } = await opened.download(fileUrl, { body });
      expect(result, artifact.get('generic.checksums')?.reason).toBe('Approved');
      const { artifact: lists } = await opened.download(listUrl, { body: list });
      expect(lists.get('generic.checksums')?.vouchedBy).toEqual([
        { kind: 'key', id: 'EFCDAB8967452301', name: 'minisign key EFCDAB8967452301' },
      ]);
    }
  });

  it('approves files elsewhere, by their name, and in encoded form', async () => {
    const more = { url: listUrl, files: ['https://cdn.example/**'] };
    const opened = createFakeSession({ inspectors: inspectors(more), ...session() });
    expect((await opened.download('https://cdn.example/x/tool-1.0.tar.gz', { body })).result).toBe('Approved');
    expect((await opened.download('https://cdn.example/x/unknown', { body })).result).toBe('Rejected');
    const encoded = { body: gzipSync(body), contentEncoding: 'gzip' } as const;
    expect((await opened.download(fileUrl, encoded)).result).toBe('Approved');
  });

  it.each<[string, () => Promise<Record<string, string>> | Record<string, string>, RegExp]>([
    ['no list', () => ({}), /it could not be fetched/],
    ['no signature', () => ({ [listUrl]: list }), /there is no signature beside it \(\.asc, \.sig, \.gpg, \.sign\)/],
    [
      'a signature by another key',
      async () => ({ [listUrl]: list, [`${listUrl}.asc`]: await armored(list, stranger) }),
      /none of them a configured key/,
    ],
    [
      'a signature of another list',
      async () => ({ [listUrl]: list, [`${listUrl}.asc`]: await armored(`${list}\n`, key) }),
      /does not count/,
    ],
    [
      'a signature that is none',
      () => ({ [listUrl]: list, [`${listUrl}.asc`]: 'hello' }),
      /its signature cannot be read/,
    ],
    [
      'a list without the file',
      async () => ({ [listUrl]: 'x', [`${listUrl}.asc`]: await armored('x', key) }),
      /no digest and name/,
    ],
    [
      'a list of other bytes',
      async () => {
        const text = `${hex('x')}  tool-1.0.tar.gz\n`;
        return { [listUrl]: text, [`${listUrl}.asc`]: await armored(text, key) };
      },
      /expected sha256:[0-9a-f]{64}, found sha256/,
    ],
    [
      'a list of weak digests',
      async () => {
        const text = `${hex(body, 'md5')}  tool-1.0.tar.gz\n`;
        return { [listUrl]: text, [`${listUrl}.asc`]: await armored(text, key) };
      },
      /does not list tool-1\.0\.tar\.gz/,
    ],
  ])('refuses a file with %s', async (_name, companions, reason) => {
    const opened = createFakeSession({ inspectors: inspectors(), now, companions: await companions() });
    const { artifact, result } = await opened.download(fileUrl, { body });
    expect(result).toBe('Rejected');
    expect(artifact.get('generic.checksums')?.reason).toMatch(reason);
  });

  it('does not take a file of one directory for that of another', async () => {
    const opened = createFakeSession({ inspectors: inspectors(), ...session() });
    expect((await opened.download(`${root}/sub/tool-1.0.tar.gz`, { body })).result).toBe('Rejected');
    expect((await opened.download(`${root}/other.bin`, { body: 'other' })).result).toBe('Rejected');
  });

  it.each<[string, object]>([
    ['no key', { 'public-key': undefined }],
    ['two keys', { 'minisign-key': minisignKey }],
    ['a minisign key that is none', { 'public-key': undefined, 'minisign-key': 'RWx' }],
  ])('is not configured with %s', (_name, more) => {
    expect(() => inspectors(more)).toThrow();
  });
});

describe('parseChecksums', () => {
  it('reads GNU and BSD forms, and leaves weak digests out', () => {
    const text = `# comment\r\n${hex('a').toUpperCase()}  a b\r\n${hex('c', 'sha512')} *./c\nSHA256 (d) = ${hex('d')}\n${hex('e', 'sha1')}  e\n`;
    expect([...parseChecksums(text)]).toEqual([
      ['a b', { algorithm: 'sha256', hex: hex('a') }],
      ['c', { algorithm: 'sha512', hex: hex('c', 'sha512') }],
      ['d', { algorithm: 'sha256', hex: hex('d') }],
    ]);
  });

  it.each<[string, string, RegExp]>([
    ['a path above', `${hex('a')}  ../a\n`, /unsafe name/],
    ['an absolute path', `${hex('a')}  /etc/a\n`, /unsafe name/],
    ['two digests of a file', `${hex('a')}  a\n${hex('b')}  a\n`, /two digests of "a"/],
    ['a name alone', 'a\n', /line 1 is no digest/],
    ['a line without end', `${hex('a')}  ${'a'.repeat(9_000)}\n`, /longer than 8192/],
    ['an escaped name', `\\${hex('a')}  a\\nb\n`, /no digest and name/],
  ])('refuses %s', (_name, text, reason) => {
    expect(() => parseChecksums(text)).toThrow(FormatProblem);
    expect(() => parseChecksums(text)).toThrow(reason);
  });

  it('reads whatever comes, or says what is wrong', () => {
    fc.assert(
      fc.property(fc.nat(list.length), fc.nat(80), fc.string({ unit: 'binary', maxLength: 20 }), (at, cut, put) => {
        try {
          for (const name of parseChecksums(list.slice(0, at) + put + list.slice(at + cut)).keys()) {
            expect(name).not.toMatch(/(^|\/)\.\.?(\/|$)|^\//);
          }
        } catch (error) {
          if (!(error instanceof FormatProblem)) throw error;
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('minisign', () => {
  const own = readMinisignKey(minisignKey);
  const good = minisign(list);
  const data = Buffer.from(list);

  it.each<[string, string, string | undefined]>([
    ['a signature', good, undefined],
    ['one without prehashing', minisign(list, { legacy: true }), undefined],
    ['one of other bytes', minisign('x'), 'it does not match'],
    [
      'one by another key under the same id',
      minisign(list, { by: generateKeyPairSync('ed25519').privateKey }),
      'it does not match',
    ],
    ['a changed comment', good.replace('timestamp:1', 'timestamp:2'), 'its trusted comment was changed'],
  ])('judges %s', (_name, text, wanted) => {
    expect(minisignFault(data, Buffer.from(text), own)).toBe(wanted);
  });

  it('names the key of a signature by another', () => {
    const other = readMinisignKey(Buffer.concat([Buffer.from('Ed'), Buffer.alloc(8, 1), rawKey]).toString('base64'));
    expect(minisignFault(data, Buffer.from(good), other)).toMatch(
      /it is by the key EFCDAB8967452301, configured is 0101/,
    );
  });

  it('reads whatever comes, or says what is wrong', () => {
    let counted = 0;
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(20), fc.string({ unit: 'binary', maxLength: 8 }), (at, cut, put) => {
        const text = good.slice(0, at) + put + good.slice(at + cut);
        try {
          if (minisignFault(data, Buffer.from(text), own) === undefined) counted += 1;
        } catch (error) {
          if (!(error instanceof MinisignError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
    // The untrusted comment may say anything; nothing else may change.
    expect(counted).toBeLessThan(200);
    expect(() => readMinisignKey('RWQ=')).toThrow(MinisignError);
  });
});
