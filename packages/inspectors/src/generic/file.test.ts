import { gzipSync } from 'node:zlib';
import type { GenericFile } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { describeInspector } from '../../test/describe-inspector.js';
import { createFakeSession } from '../../test/fake-session.js';
import { digestsOf, fakeRequest } from '../../test/fakes.js';
import { globVariants } from '../url-globs.js';
import { genericFile } from './file.js';

const body = Buffer.from('the pinned file, whatever it is');
const other = Buffer.from('another file');
const { sha256, sha512 } = digestsOf(body);
const files: GenericFile[] = [
  {
    url: 'https://files.example/tool-1.0.tar.gz',
    sha256,
    name: 'tool',
    version: '1.0',
    license: 'MIT',
    purl: 'pkg:generic/tool@1.0',
  },
  { url: 'https://files.example:443/both', sha256, sha512 },
  { url: 'https://files.example:443/halves', sha256, sha512: digestsOf(other).sha512 },
  { url: 'http://files.example/plain/*.bin', sha512 },
  { url: 'https://files.example/**/any', sha256: digestsOf(other).sha256 },
  { url: 'https://files.example/mirror/any', sha256 },
];
const url = 'https://files.example/tool-1.0.tar.gz';

describeInspector({
  id: 'generic.file',
  inspectors: () => [genericFile({ generic: { files } })],
  good: {
    name: 'pinned sha256, exact URL',
    request: url,
    response: { body },
    opinion: 'Approved',
    reason: /sha256 as pinned by generic.files\[0\]/,
    metadata: { name: 'tool', version: '1.0', license: 'MIT', purl: 'pkg:generic/tool@1.0', vendor: 'files.example' },
  },
  cases: [
    {
      name: 'the port spelt out in the request',
      request: 'https://files.example:443/tool-1.0.tar.gz',
      response: { body },
      opinion: 'Approved',
    },
    {
      name: 'two digests that match',
      request: 'https://files.example/both',
      response: { body },
      opinion: 'Approved',
      metadata: { name: 'both' },
    },
    {
      name: 'two digests of which one matches',
      request: 'https://files.example/halves',
      response: { body },
      opinion: 'Rejected',
    },
    { name: 'sha512 by glob', request: 'http://files.example/plain/x.bin', response: { body }, opinion: 'Approved' },
    { name: 'the glob does not cross a slash', request: 'http://files.example/plain/x/y.bin', claim: 'unclaimed' },
    {
      name: 'several pins of one URL, the second',
      request: 'https://files.example/mirror/any',
      response: { body },
      opinion: 'Approved',
      reason: /files\[5\]/,
    },
    {
      name: 'several pins of one URL, the first',
      request: 'https://files.example/mirror/any',
      response: { body: other },
      opinion: 'Approved',
      reason: /files\[4\]/,
    },
    {
      name: 'several pins of one URL, none',
      request: 'https://files.example/mirror/any',
      response: { body: 'x' },
      opinion: 'Rejected',
      reason: /expected sha256:.* or sha256:.*, found sha256:/,
    },
    {
      name: 'decoded bytes match',
      request: url,
      response: { body: gzipSync(body), contentEncoding: 'gzip' },
      opinion: 'Approved',
      annotations: { 'digest-of': 'decoded bytes' },
    },
    {
      name: 'decoded bytes do not',
      request: url,
      response: { body: gzipSync(other), contentEncoding: 'gzip' },
      opinion: 'Rejected',
    },
    {
      name: 'other bytes',
      request: url,
      response: { body: other },
      opinion: 'Rejected',
      annotations: { hint: expect.stringContaining('generic.files[0]') },
    },
    { name: 'HEAD', request: { url, method: 'HEAD' } },
    { name: 'POST', request: { url, method: 'POST' }, claim: 'Rejected' },
    { name: 'a query that is not pinned', request: `${url}?x=1`, claim: 'unclaimed' },
    { name: 'another host', request: 'https://files.example.org/tool-1.0.tar.gz', claim: 'unclaimed' },
    { name: 'http for https', request: 'http://files.example/tool-1.0.tar.gz', claim: 'unclaimed' },
  ],
});

describe('a pin', () => {
  it('vouches before anything is fetched', async () => {
    const session = createFakeSession({ inspectors: [genericFile({ generic: { files } })] });
    const { vouched } = await session.download('https://files.example/both', { body });
    expect(vouched).toEqual([
      {
        digests: [
          { algorithm: 'sha512', hex: sha512 },
          { algorithm: 'sha256', hex: sha256 },
        ],
        vouchedBy: { kind: 'digest', id: `sha512:${sha512}`, name: 'generic.files[1]' },
      },
    ]);
    await session.close();
  });

  it.each([
    ['https://h/x', ['https://h/x', 'https://h:443/x']],
    ['https://h:443/x', ['https://h:443/x']],
    ['https://h:*/x', ['https://h:*/x']],
    ['https://{a,b}/**', ['https://{a,b}/**', 'https://{a,b}:443/**']],
    ['https://[::1]/x', ['https://[::1]/x', 'https://[::1]:443/x']],
    ['http://h:80/x', ['http://h:80/x', 'http://h/x']],
    ['http://h/x', ['http://h/x']],
    ['**', ['**']],
  ])('of %s matches %j', (pattern, variants) => expect(globVariants(pattern)).toEqual(variants));
});

describe('the query of a pinned URL', () => {
  const query = (url: string) => ({ url, sha256 });
  const inspector = genericFile({
    generic: {
      files: [
        query('https://files.example/a?sig=1'),
        query('https://files.example/b\\?sig=1'),
        query('http://files.example/*'),
      ],
    },
  });
  it.each<[string, string, readonly string[] | undefined]>([
    ['pinned to the letter', 'https://files.example/a?sig=1', ['query']],
    ['pinned with an escape', 'https://files.example/b?sig=1', ['query']],
    ['that a wildcard took in', 'http://files.example/x?loot=1', undefined],
    ['where there is none', 'http://files.example/x', undefined],
  ])('%s', (_name, url, needs) => expect(inspector.inspectRequest(fakeRequest(url))?.needs).toEqual(needs));
});
