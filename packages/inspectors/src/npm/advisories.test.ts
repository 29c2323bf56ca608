import { type InspectorsConfig, inspectorsConfigSchema, type RequestView } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { describeInspector } from '../../test/describe-inspector.js';
import { npmAdvisories } from './advisories.js';

const registry = 'https://registry.example/npm';
const config: InspectorsConfig = { npm: { registries: { default: { url: registry, tarballs: [] } } } };
const url = `${registry}/-/npm/v1/security/advisories/bulk`;
const request = { url, method: 'POST', body: '{"pad":["1.0.0"],"@scope/left":["2.0.0-rc.1","1.0.0beta"]}' };
const audits = { url: `${registry}/-/npm/v1/security/audits/quick`, method: 'POST' };
const refused = (body: string | undefined, reason: RegExp, to: { url: string; method: string } = request) => ({
  request: { url: to.url, method: to.method, ...(body !== undefined && { body }) },
  claim: 'Rejected' as const,
  claimReason: reason,
});

describe('npm.audit', () => {
  const view = (body: string, to = url): RequestView => ({
    method: 'POST',
    url: new URL(to),
    normalizedUrl: to.replace('registry.example/', 'registry.example:443/'),
    headers: { get: () => undefined, raw: [] },
    body: Buffer.from(body),
  });
  const claimOf = (audit: 'ask' | 'empty' | 'refuse', request: RequestView) =>
    npmAdvisories(
      inspectorsConfigSchema.parse({ npm: { registries: { default: { url: registry } }, audit } }),
    ).inspectRequest(request);

  it('ask: the registry answers', () => {
    expect(claimOf('ask', view('{"pad":["1.0.0"]}'))).toMatchObject({ opinion: 'Pending' });
    expect(claimOf('ask', view('{"pad":["1.0.0"]}'))).not.toHaveProperty('answer');
  });

  it('empty: the service answers, in the form that the client asked for', () => {
    const bulk = claimOf('empty', view('{"pad":["1.0.0"]}'));
    expect(bulk).toMatchObject({ opinion: 'Pending', answer: { contentType: 'application/json', body: '{}' } });
    expect(bulk?.annotations).toMatchObject({ audit: 'empty' });
    const older = claimOf('empty', view('{"name":"app","requires":{},"dependencies":{}}', audits.url));
    expect(JSON.parse(older?.answer?.body ?? '')).toMatchObject({
      advisories: {},
      metadata: { vulnerabilities: { high: 0 } },
    });
  });

  it.each(['{"a secret":["1.0.0"]}', 'loot', '[]'])(
    'empty: what is no question is refused all the same: %s',
    (body) => {
      const said = claimOf('empty', view(body));
      expect(said).toMatchObject({ opinion: 'Rejected' });
      expect(said).not.toHaveProperty('answer');
    },
  );

  it('refuse: with what to do', () => {
    expect(claimOf('refuse', view('{"pad":["1.0.0"]}'))).toMatchObject({
      opinion: 'Rejected',
      annotations: { audit: 'refuse', hint: expect.stringContaining('--no-audit') },
    });
  });
});

describeInspector({
  id: 'npm.advisories',
  integrity: 'format',
  inspectors: () => [npmAdvisories(config)],
  good: {
    name: 'advisories for two packages',
    request,
    response: { body: '{"pad":[{"id":1,"url":"https://advisory.example/1"}],"left":[]}' },
    opinion: 'Approved',
    metadata: { type: 'application/x.npm.advisories', vendor: 'registry.example' },
    annotations: { entries: 2 },
  },
  cases: [
    { name: 'none', request, response: { body: '{}' }, opinion: 'Approved', annotations: { entries: 0 } },
    {
      name: 'the older report',
      request: {
        ...audits,
        body: '{"name":"app","requires":{},"dependencies":{},"metadata":{"npm_version":"6.14.0"}}',
      },
      response: { body: '{"actions":[],"advisories":{}}' },
      opinion: 'Approved',
    },
    { name: 'GET', request: url, claim: 'Rejected', claimReason: /asked for with POST, found GET/ },
    { name: 'another registry', request: { ...request, url: url.replace('/npm/-/', '/-/') }, claim: 'unclaimed' },
    { name: 'another endpoint', request: { ...request, url: `${registry}/-/npm/v1/login` }, claim: 'unclaimed' },
    { name: 'no body', ...refused(undefined, /no body that can be inspected/) },
    { name: 'a body that is no JSON', ...refused('-----BEGIN KEY-----', /not JSON/) },
    { name: 'a body that is no object', ...refused('["pad"]', /not an object/) },
    { name: 'a body with other names', ...refused('{"a secret":["1.0.0"]}', /"a secret", which is no package/) },
    { name: 'a body with other values', ...refused('{"pad":"c2VjcmV0"}', /something else than versions of "pad"/) },
    { name: 'a body with no versions', ...refused('{"pad":["c2VjcmV0"]}', /something else than versions/) },
    { name: 'an audit with more', ...refused('{"name":"app","loot":"x"}', /the member "loot"/, audits) },
    {
      name: 'an audit with much metadata',
      ...refused(JSON.stringify({ metadata: { loot: 'x'.repeat(2000) } }), /metadata has more/, audits),
    },
    {
      name: 'not JSON',
      request,
      response: { body: '<html>' },
      opinion: 'Rejected',
      reason: /expected advisories as JSON/,
    },
    { name: 'an array', request, response: { body: '[]' }, opinion: 'Rejected', reason: /expected an object/ },
  ],
});
