import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { describeInspector, type InspectorCase } from '../../test/describe-inspector.js';
import type { FakeSession } from '../../test/fake-session.js';
import type { FakeRequest } from '../../test/fakes.js';
import { gitLfsBatch, gitLfsObject } from './lfs.js';
import { LfsFormatError, parseLfsAnswer, parseLfsQuestion } from './lfs-batch.js';

const repository = 'https://git.example/team/tool.git';
const config = { git: { urls: ['https://git.example:443/team/**'], lfs: ['https://objects.example:443/**'] } };
const inspectors = [gitLfsBatch(config), gitLfsObject(config)];
const content = 'a large picture';
const sha = (text: string) => createHash('sha256').update(text).digest('hex');
const oid = sha(content);
const size = content.length;
const href = `https://objects.example/store/x?signature=abc`;
const ownHref = `${repository}/info/lfs/objects/${oid}`;

function ask(question: unknown = { operation: 'download', objects: [{ oid, size }] }): FakeRequest {
  const body = typeof question === 'string' ? question : JSON.stringify(question);
  return { url: `${repository}/info/lfs/objects/batch`, method: 'POST', body };
}

function answer(objects: unknown, more: object = {}): { body: string } {
  return { body: JSON.stringify({ transfer: 'basic', ...more, objects }) };
}

const at = (place: string, more: object = {}) => [{ oid, size, actions: { download: { href: place } }, ...more }];

async function asked(session: FakeSession, place = href): Promise<void> {
  const { result, artifact } = await session.download(ask(), answer(at(place)));
  expect(result, artifact.get('git.lfs-batch')?.reason).toBe('Approved');
}

const question = (name: string, request: FakeRequest, claimReason: RegExp): InspectorCase => ({
  name: `refuses a question with ${name}`,
  request,
  claim: 'Rejected',
  claimReason,
});

const refused = (name: string, objects: unknown, reason: RegExp, more: object = {}): InspectorCase => ({
  name: `refuses an answer ${name}`,
  request: ask(),
  response: answer(objects, more),
  opinion: 'Rejected',
  reason,
});

describeInspector({
  id: 'git.lfs-batch',
  inspectors: () => inspectors,
  integrity: 'format',
  good: {
    name: 'approves an answer about what was asked for',
    request: ask({
      operation: 'download',
      transfers: ['lfs-standalone-file', 'basic'],
      ref: { name: 'refs/heads/main' },
      objects: [{ oid, size }],
      hash_algo: 'sha256',
    }),
    response: answer(at(href)),
    opinion: 'Approved',
    reason: /says where 1 of 1 LFS objects of tool are/,
    metadata: { name: 'tool', vendor: 'git.example' },
    annotations: { objects: 1 },
  },
  cases: [
    {
      name: 'approves an answer without an object that the server does not have',
      request: ask(),
      response: answer([{ oid, size, error: { code: 404, message: 'gone' } }]),
      opinion: 'Approved',
      annotations: { objects: 0, missing: 1 },
    },
    question('an upload', ask({ operation: 'upload', objects: [{ oid, size }] }), /a build fetches, it does not push/),
    question('another operation', ask({ operation: 'x', objects: [] }), /operation/),
    question('another transfer', ask({ operation: 'download', transfers: ['tus'], objects: [] }), /basic transfer/),
    question('another hash', ask({ operation: 'download', hash_algo: 'md5', objects: [] }), /md5/),
    question('more than the protocol has', ask({ operation: 'download', objects: [], secret: 'x' }), /secret/),
    question('more in its ref', ask({ operation: 'download', objects: [], ref: { name: 'a', x: 1 } }), /member "x"/),
    question('more in an object', ask({ operation: 'download', objects: [{ oid, size, x: 1 }] }), /member "x"/),
    question('an id that is none', ask({ operation: 'download', objects: [{ oid: 'abc', size }] }), /object "abc"/),
    question('a size that is none', ask({ operation: 'download', objects: [{ oid, size: -1 }] }), /size -1/),
    question('no JSON', ask('nothing'), /not JSON/),
    question('no body', { url: `${repository}/info/lfs/objects/batch`, method: 'POST' }, /no body/),
    {
      name: 'refuses locks',
      request: { url: `${repository}/info/lfs/locks/verify`, method: 'POST' },
      claim: 'Rejected',
    },
    { name: 'leaves GET to others', request: `${repository}/info/lfs/objects/batch`, claim: 'unclaimed' },
    {
      name: 'knows no repository that is not configured',
      request: { ...ask(), url: 'https://git.example/other/tool.git/info/lfs/objects/batch' },
      claim: 'Unknown',
    },
    refused('about another object', [{ ...at(href)[0], oid: sha('other') }], /not asked for/),
    refused('with another size', [{ ...at(href)[0], size: 1 }], /not asked for/),
    refused('that tells of an object twice', [...at(href), ...at(`${href}2`)], /twice/),
    refused('with another transfer', at(href), /transfer "tus"/, { transfer: 'tus' }),
    refused('with another hash', at(href), /sha512/, { hash_algo: 'sha512' }),
    refused('with a place that is none', at('file:///etc/passwd'), /has a download at/),
    refused('without objects', undefined, /no list of objects/),
    refused('with an object that is none', ['x'], /no object/),
    {
      name: 'refuses bad UTF-8',
      request: ask(),
      response: { body: Buffer.from([0x22, 0xff, 0x22]) },
      opinion: 'Rejected',
    },
  ],
});

describeInspector({
  id: 'git.lfs-object',
  inspectors: () => inspectors,
  good: {
    name: 'approves the object that the client asked for',
    request: href,
    before: asked,
    response: { body: content },
    opinion: 'Approved',
    metadata: { name: 'tool', version: oid, vendor: 'objects.example' },
  },
  cases: [
    {
      name: 'approves it below its repository',
      request: ownHref,
      before: (session) => asked(session, ownHref),
      response: { body: content },
      opinion: 'Approved',
    },
    {
      name: 'approves it compressed on the way',
      request: href,
      before: asked,
      response: { body: gzipSync(content), contentEncoding: 'gzip' },
      opinion: 'Approved',
    },
    {
      name: 'refuses another content compressed on the way',
      request: href,
      before: asked,
      response: { body: gzipSync('a large pictura'), contentEncoding: 'gzip' },
      opinion: 'Rejected',
    },
    {
      name: 'refuses other bytes of the same size',
      request: href,
      before: asked,
      response: { body: 'a large pictura' },
      opinion: 'Rejected',
      reason: /expected the LFS object [0-9a-f]{64} of 15 bytes, found sha256/,
    },
    {
      name: 'refuses it before its batch answer',
      request: ownHref,
      response: { body: content },
      opinion: 'Rejected',
      reason: /no batch answer of this session/,
    },
    {
      name: 'refuses it at a place that no answer named',
      request: 'https://objects.example/store/y?signature=abc',
      before: asked,
      response: { body: content },
      opinion: 'Rejected',
      reason: /no batch answer/,
    },
    {
      name: 'refuses the bytes of one object under the id of another',
      request: `${repository}/info/lfs/objects/${sha('other')}`,
      before: (session) => asked(session, ownHref),
      response: { body: content },
      opinion: 'Rejected',
    },
    {
      name: 'refuses uploads',
      request: { url: ownHref, method: 'PUT' },
      claim: 'Rejected',
      claimReason: /does not push/,
    },
    { name: 'claims no other host', request: `https://other.example/${oid}`, claim: 'unclaimed' },
    { name: 'claims nothing else below a repository', request: `${repository}/objects/x`, claim: 'unclaimed' },
  ],
});

describe('git-lfs', () => {
  it('knows the digest before the object comes, so that it streams', async () => {
    const [, object] = inspectors;
    const context = {
      catalogs: async () => [
        {
          ref: { sha256: 'b', inspector: 'git.lfs-batch', name: 'tool' },
          value: parseLfsAnswer(Buffer.from(answer(at(href)).body)),
        },
      ],
    };
    const request = { normalizedUrl: 'https://objects.example:443/store/x?signature=abc' };
    expect(await object?.vouchedDigests?.(request as never, { oid: undefined } as never, context as never)).toEqual([
      { digests: [{ algorithm: 'sha256', hex: oid }], size, vouchedBy: expect.objectContaining({ sha256: 'b' }) },
    ]);
  });

  it('two objects at one place are refused', () => {
    const other = { oid: sha('other'), size: 5, actions: { download: { href } } };
    expect(() => parseLfsAnswer(Buffer.from(answer([...at(href), other]).body))).toThrow(/same place/);
  });

  it('reads whatever comes, or says what is wrong', () => {
    const seeds = [answer(at(href)).body, JSON.stringify({ operation: 'download', objects: [{ oid, size }] })];
    const tokens = [
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      ',',
      'null',
      '1e999',
      '-1',
      '"__proto__":',
      '\u0000',
      '\ud800',
      '"oid":',
    ];
    let state = 7;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    let read = 0;
    for (let round = 0; round < 4_000; round += 1) {
      const seed = seeds[round & 1] as string;
      const place = random(seed.length);
      const text = `${seed.slice(0, place)}${tokens[random(tokens.length)]}${seed.slice(place + random(4))}`;
      for (const parse of [parseLfsAnswer, parseLfsQuestion]) {
        try {
          parse(Buffer.from(text));
          read += 1;
        } catch (error) {
          if (!(error instanceof LfsFormatError)) throw new Error(`round ${round}: ${text}`, { cause: error });
        }
      }
    }
    expect(read).toBeGreaterThan(0);
    expect(read).toBeLessThan(8_000);
  });
});
