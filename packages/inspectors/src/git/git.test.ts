import { expect, it } from 'vitest';
import { describeInspector, type InspectorCase } from '../../test/describe-inspector.js';
import { fakeRequest } from '../../test/fakes.js';
import { gitSmartQuery } from './smart-query.js';
import { gitUploadPack } from './upload-pack.js';

const config = {
  git: {
    urls: [
      'https://git.example:443/team/**',
      'http://git.example/exact.git',
      'https://git.example:443/*.git/info/refs',
    ],
  },
};
const inspectors = () => [gitSmartQuery(config), gitUploadPack(config)];
const a = 'a'.repeat(40);
const b = 'b'.repeat(40);

function pkts(...lines: string[]): Buffer {
  return Buffer.from(
    lines
      .map((line) =>
        line === '' ? '0000' : line === '-' ? '0001' : `${(line.length + 5).toString(16).padStart(4, '0')}${line}\n`,
      )
      .join(''),
  );
}

const base = 'https://git.example/team/tool.git';
const query = (service = 'git-upload-pack', repository = base) => `${repository}/info/refs?service=${service}`;
const advertised = { 'content-type': 'application/x-git-upload-pack-advertisement' };
const result = { 'content-type': 'application/x-git-upload-pack-result' };
const v2 = { 'git-protocol': 'version=2' };
const advertisement = pkts(
  '# service=git-upload-pack',
  '',
  'version 2',
  'agent=git/2',
  'ls-refs=unborn',
  'fetch=shallow',
  '',
);
const oldAdvertisement = pkts('# service=git-upload-pack', '', `${a} HEAD\0side-band-64k`, `${a} refs/heads/main`, '');

describeInspector({
  id: 'git.smart-query',
  inspectors,
  integrity: 'format',
  good: {
    name: 'protocol 2',
    request: { url: query(), headers: v2 },
    response: { body: advertisement, headers: advertised },
    opinion: 'Approved',
    metadata: { type: 'application/x.git.upload-pack-advertisement', name: 'tool', vendor: 'git.example' },
    annotations: { version: '2', 'server-response': ['agent=git/2', 'ls-refs=unborn', 'fetch=shallow'], refs: 0 },
  },
  cases: [
    {
      name: 'protocol 0',
      request: query(),
      response: { body: oldAdvertisement, headers: advertised },
      opinion: 'Approved',
      annotations: { version: '0', refs: 2 },
    },
    {
      name: 'a content type with parameters',
      request: query(),
      response: { body: advertisement, headers: { 'content-type': `${advertised['content-type']}; charset=x` } },
      opinion: 'Approved',
    },
    { name: 'a pattern that is the repository', request: query('git-upload-pack', 'http://git.example/exact.git') },
    { name: 'a pattern that names the service', request: query('git-upload-pack', 'https://git.example/x.git') },
    {
      name: 'another content type',
      request: query(),
      response: { body: advertisement, headers: { 'content-type': 'text/plain' } },
      opinion: 'Rejected',
      reason: /found text\/plain/,
    },
    {
      name: 'no content type',
      request: query(),
      response: { body: advertisement },
      opinion: 'Rejected',
      reason: /no content type/,
    },
    {
      name: 'the refs of the dumb protocol',
      request: query(),
      response: { body: `${a}\trefs/heads/main\n`, headers: advertised },
      opinion: 'Rejected',
      reason: /not an advertisement/,
    },
    { name: 'a push', request: query('git-receive-pack'), claim: 'Rejected', claimReason: /push/ },
    {
      name: 'a push to elsewhere',
      request: query('git-receive-pack', 'https://elsewhere.example/x.git'),
      claim: 'Rejected',
    },
    { name: 'the dumb protocol', request: `${base}/info/refs`, claim: 'Unknown', claimReason: /dumb/ },
    { name: 'something else of elsewhere', request: 'https://elsewhere.example/info/refs', claim: 'unclaimed' },
    {
      name: 'a repository outside git.urls',
      request: query('git-upload-pack', 'https://git.example/teams/tool.git'),
      claim: 'Unknown',
      claimReason: /git\.urls/,
    },
    {
      name: 'another host',
      request: query('git-upload-pack', 'https://git.example.org/team/tool.git'),
      claim: 'Unknown',
    },
    { name: 'http for https', request: query('git-upload-pack', 'http://git.example/team/tool.git'), claim: 'Unknown' },
    { name: 'POST', request: { url: query(), method: 'POST' }, claim: 'Rejected' },
    { name: 'another path', request: `${base}/objects/info/packs`, claim: 'unclaimed' },
  ] satisfies InspectorCase[],
});

const post = (body: Buffer, repository = base) => ({
  url: `${repository}/git-upload-pack`,
  method: 'POST',
  headers: { 'content-type': 'application/x-git-upload-pack-request', ...v2 },
  body,
});
const lsRefs = post(pkts('command=ls-refs', 'agent=x', '-', 'peel', 'symrefs', ''));
const fetching = (...lines: string[]) => post(pkts('command=fetch', '-', ...lines, ''));
const refs = pkts(
  `${a} HEAD symref-target:refs/heads/main`,
  `${a} refs/heads/main`,
  `${b} refs/tags/v1 peeled:${a}`,
  '',
);

describeInspector({
  id: 'git.upload-pack',
  inspectors,
  integrity: 'format',
  good: {
    name: 'ls-refs',
    request: lsRefs,
    response: { body: refs, headers: result },
    opinion: 'Approved',
    metadata: { type: 'application/x.git.upload-pack-result.ls-ref', name: 'tool', vendor: 'git.example' },
    annotations: { refs: 3, heads: ['refs/heads/main'], tags: ['refs/tags/v1'] },
  },
  cases: [
    {
      name: 'refs that are none',
      request: lsRefs,
      response: { body: pkts('nothing', ''), headers: result },
      opinion: 'Rejected',
      reason: /ls-refs of tool: not a ref/,
    },
    {
      name: 'another content type',
      request: lsRefs,
      response: { body: refs, headers: { 'content-type': 'text/html' } },
      opinion: 'Rejected',
    },
    {
      name: 'a round of negotiation',
      request: fetching(`want ${a}`, `have ${b}`),
      response: { body: pkts('acknowledgments', `ACK ${b}`, ''), headers: result },
      opinion: 'Approved',
      annotations: { negotiation: true, acks: 1 },
    },
    {
      name: 'an acknowledgement of something else',
      request: fetching(`want ${a}`, `have ${b}`),
      response: { body: pkts('acknowledgments', `ACK ${a}`, ''), headers: result },
      opinion: 'Rejected',
      reason: /which the client did not name/,
    },
    {
      name: 'no pack when the client is done',
      request: fetching(`want ${a}`, 'done'),
      response: { body: pkts('acknowledgments', 'NAK', ''), headers: result },
      opinion: 'Rejected',
      reason: /none came/,
    },
    {
      name: 'an answer to a probe',
      request: post(Buffer.from('0000')),
      response: { body: '0000', headers: result },
      opinion: 'Approved',
    },
    {
      name: 'too much of an answer to a probe',
      request: post(Buffer.from('0000')),
      response: { body: '0008abcd', headers: result },
      opinion: 'Rejected',
    },
    {
      name: 'several wants, with annotations',
      request: fetching(`want ${a}`, `want ${b}`, 'deepen 1'),
      claim: 'Pending',
    },
    {
      name: 'another command',
      request: post(pkts('command=object-info', '-', 'size', '')),
      claim: 'Unknown',
      claimReason: /"object-info" is not supported/,
    },
    {
      name: 'packs from elsewhere',
      request: fetching(`want ${a}`, 'packfile-uris https'),
      claim: 'Rejected',
      claimReason: /packfile-uris/,
    },
    {
      name: 'a body that is no request',
      request: post(Buffer.from('hello')),
      claim: 'Rejected',
      claimReason: /not a request to git-upload-pack/,
    },
    {
      name: 'a body that was too large to look at',
      request: { ...lsRefs, body: undefined as never },
      claim: 'Rejected',
      claimReason: /larger than what is inspected/,
    },
    { name: 'a push', request: { ...lsRefs, url: `${base}/git-receive-pack` }, claim: 'Rejected', claimReason: /push/ },
    {
      name: 'outside git.urls',
      request: post(lsRefs.body, 'https://git.example/other/tool.git'),
      claim: 'Unknown',
      claimReason: /git\.urls/,
    },
    {
      name: 'another content type of the request',
      request: { ...lsRefs, headers: { 'content-type': 'text/plain' } },
      claim: 'unclaimed',
    },
    { name: 'GET', request: { url: lsRefs.url }, claim: 'unclaimed' },
    { name: 'LFS', request: { ...lsRefs, url: `${base}/info/lfs/objects/batch` }, claim: 'unclaimed' },
  ] satisfies InspectorCase[],
});

it('a fetch is described in the words of the specification', () => {
  const { url, method, headers, body } = fetching(`want ${a}`, `want ${b}`, 'deepen 1');
  const claim = gitUploadPack(config).inspectRequest(fakeRequest({ url, method, headers, body }));
  expect(claim?.annotations).toEqual({
    server: 'git.example',
    repository: 'https://git.example:443/team/tool.git',
    project: 'tool',
    protocol: '2',
    command: 'fetch',
    'client-request': ['command=fetch', `want ${a}`, `want ${b}`, 'deepen 1'],
    'is-shallow': true,
    'num-wants': 2,
    wants: [a, b],
    'want-refs': [],
    'num-haves': 0,
  });
});
