import type { InspectorsConfig } from '@waybill/contracts';
import { describeInspector } from '../../test/describe-inspector.js';
import { npmAdvisories } from './advisories.js';

const registry = 'https://registry.example/npm';
const config: InspectorsConfig = { npm: { registries: { default: { url: registry, tarballs: [] } } } };
const url = `${registry}/-/npm/v1/security/advisories/bulk`;
const request = { url, method: 'POST' };

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
      request: { url: `${registry}/-/npm/v1/security/audits/quick`, method: 'POST' },
      response: { body: '{"actions":[],"advisories":{}}' },
      opinion: 'Approved',
    },
    { name: 'GET', request: url, claim: 'Rejected', claimReason: /asked for with POST, found GET/ },
    { name: 'another registry', request: { ...request, url: url.replace('/npm/-/', '/-/') }, claim: 'unclaimed' },
    { name: 'another endpoint', request: { ...request, url: `${registry}/-/npm/v1/login` }, claim: 'unclaimed' },
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
