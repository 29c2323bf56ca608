import type { Claim, OutgoingRequest, RequestNeed, RequestsConfig } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { createRequestPolicy } from './request-policy.js';

const plain: OutgoingRequest = {
  method: 'GET',
  normalizedUrl: 'https://registry.example:443/left-pad',
  rawHeaders: ['Host', 'registry.example', 'User-Agent', 'npm/11.0.0', 'Accept', '*/*'],
  bodyBytes: 0,
};
const claims = (opinion: 'Pending' | 'Unknown', ...needs: RequestNeed[]): Claim[] => [
  { inspector: 'a.x', inspection: { opinion, reason: 'mine', needs } },
];
const refusal = (
  request: Partial<OutgoingRequest>,
  { needs = [], config }: { needs?: Claim[]; config?: Partial<RequestsConfig> } = {},
) => createRequestPolicy({ rules: [], ...config }).refusalFor({ ...plain, ...request }, needs);
const url = (tail: string) => ({ normalizedUrl: `https://registry.example:443/${tail}` });

describe('without configuration', () => {
  it.each<[string, Partial<OutgoingRequest>]>([
    ['a plain GET', {}],
    ['HEAD', { method: 'HEAD' }],
    ['a URL of 2048 bytes', url('x'.repeat(2048 - 'https://registry.example:443/'.length))],
    ['64 fields', { rawHeaders: Array.from({ length: 128 }, () => 'a') }],
    [
      'much that clients are used to send',
      { rawHeaders: ['Authorization', 'x'.repeat(6000), 'npm-session', 'y'.repeat(1000)] },
    ],
    ['a little that they are not', { rawHeaders: ['X-Trace', 'x'.repeat(500)] }],
    ['a bare question mark', url('left-pad?')],
  ])('%s may pass', (_name, request) => expect(refusal(request)).toBeUndefined());

  it.each<[string, Partial<OutgoingRequest>, RegExp]>([
    ['POST', { method: 'POST' }, /^the method POST may not go upstream, only GET, HEAD \(requests\.methods\)$/],
    ['a method in lower case', { method: 'get' }, /the method get/],
    ['DELETE', { method: 'DELETE' }, /the method DELETE/],
    ['a query', url('left-pad?loot=1'), /^the query string has 6 bytes, at most 0 .*requests\.max-query-bytes/],
    ['a query behind a second mark', url('left-pad??'), /query string has 1 bytes/],
    ['a long URL', url('x'.repeat(2048)), /requests\.max-url-bytes/],
    ['65 fields', { rawHeaders: Array.from({ length: 130 }, () => 'a') }, /65 header fields, at most 64/],
    ['large fields', { rawHeaders: ['Authorization', 'x'.repeat(8192)] }, /requests\.max-header-bytes/],
    ['unusual fields', { rawHeaders: ['X-Loot', 'x'.repeat(1024)] }, /have 1030 bytes.*max-unusual-header-bytes/],
    [
      'unusual fields in pieces',
      { rawHeaders: Array.from({ length: 60 }, (_, i) => (i % 2 ? 'y'.repeat(40) : `x-${i}`)) },
      /unusual/,
    ],
    ['names that carry', { rawHeaders: ['x'.repeat(2000), ''] }, /max-unusual-header-bytes/],
    ['a body', { bodyBytes: 1 }, /^the body has 1 bytes, at most 0 .*requests\.max-body-bytes/],
    ['a body without announced length', { bodyBytes: Number.POSITIVE_INFINITY }, /unknown many bytes/],
  ])('%s may not', (_name, request, reason) => {
    const said = refusal(request);
    expect(said?.reason).toMatch(reason);
    expect(said?.hint).toMatch(/add a rule for the URL with [a-z-]+ under requests\.rules/);
  });
});

describe('what an inspector declares that it needs', () => {
  const post = { method: 'POST', bodyBytes: 5000 };
  it.each<[string, Partial<OutgoingRequest>, RequestNeed[]]>([
    ['method and body', post, ['method', 'body']],
    ['a query', url('info/refs?service=git-upload-pack'), ['query']],
  ])('%s may pass', (_name, request, needs) =>
    expect(refusal(request, { needs: claims('Pending', ...needs) })).toBeUndefined(),
  );

  it('counts only from an inspector that says Pending', () =>
    expect(refusal(post, { needs: claims('Unknown', 'method', 'body') })?.reason).toMatch(/POST/));
  it('is all that it may', () =>
    expect(refusal({ ...post, ...url('x?y') }, { needs: claims('Pending', 'method', 'body') })?.reason).toMatch(
      /query/,
    ));
  it('is no leave for header fields', () =>
    expect(
      refusal(
        { ...post, rawHeaders: ['X-Loot', 'x'.repeat(2000)] },
        { needs: claims('Pending', 'method', 'body', 'query') },
      )?.reason,
    ).toMatch(/unusual/));
});

describe('configuration', () => {
  it('keys at the top hold for all, the others keep their defaults', () => {
    const config = { 'max-query-bytes': 10 };
    expect(refusal(url('a?0123456789'), { config })).toBeUndefined();
    expect(refusal(url('a?0123456789x'), { config })?.reason).toMatch(/11 bytes, at most 10/);
    expect(refusal({ method: 'POST' }, { config })?.reason).toMatch(/POST/);
  });

  it('the first rule that matches overrides the keys that it names', () => {
    const config: Partial<RequestsConfig> = {
      'max-query-bytes': 4,
      rules: [
        { urls: ['https://registry.example:443/api/**'], methods: ['GET', 'POST'], 'max-body-bytes': 100 },
        { urls: ['https://registry.example:443/**'], methods: [] },
      ],
    };
    expect(refusal({ ...url('api/x?abcd'), method: 'POST', bodyBytes: 100 }, { config })).toBeUndefined();
    expect(refusal({ ...url('api/x'), method: 'POST', bodyBytes: 101 }, { config })).toEqual({
      reason: 'the body has 101 bytes, at most 100 may go upstream (requests.rules[0].max-body-bytes)',
      hint: 'builds may not send this; when they need to, change requests.rules[0].max-body-bytes in inspectors.yaml',
    });
    expect(refusal({ ...url('api/x?abcde') }, { config })?.reason).toMatch(/requests\.max-query-bytes/);
    expect(refusal(url('left-pad'), { config })?.reason).toMatch(/no method at all \(requests\.rules\[1\]\.methods\)/);
  });

  it('a rule says all there is to say about a key, whatever an inspector needs', () => {
    const rules = [{ urls: ['https://registry.example:443/**'], methods: ['GET'], 'max-body-bytes': 10 }];
    const needs = claims('Pending', 'method', 'body');
    expect(refusal({ method: 'POST' }, { config: { rules }, needs })?.reason).toMatch(/POST/);
    expect(refusal({ bodyBytes: 11 }, { config: { rules }, needs })?.reason).toMatch(/11 bytes/);
  });

  it('a glob that cannot be compiled throws', () =>
    expect(() => createRequestPolicy({ rules: [{ urls: ['https://[x'] }] })).toThrowError(
      expect.objectContaining({ code: 'POLICY_GLOB_INVALID' }),
    ));
});
