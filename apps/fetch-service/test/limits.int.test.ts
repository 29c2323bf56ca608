import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { startHttpsUpstream } from '@waybill/testkit';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createWorkplace, loopbackAcl, sessionOf, type Workplace } from './daemon.js';

let workplace: Workplace;
let upstream: Awaited<ReturnType<typeof startHttpsUpstream>>;

const body = Buffer.alloc(30_000, 'waybill');
const sha256 = createHash('sha256').update(body).digest('hex');

beforeEach(async () => {
  upstream = await startHttpsUpstream((_request, response) => void response.end(body));
  workplace = await createWorkplace({
    'acl.yaml': loopbackAcl,
    'inspectors.yaml': `generic: {files: [{url: "${upstream.url}/**", sha256: ${sha256}}]}\nlimits: {downloads: 3}\n`,
  });
  await writeFile(workplace.path('upstream.pem'), upstream.ca.certificatePem);
});
afterEach(async () => {
  await workplace.remove();
  await upstream.close();
});

const start = () => workplace.start({ args: [`--upstream-ca=${workplace.path('upstream.pem')}`] });

it('a total holds over restarts, kill -9 included, and a session cannot raise it', async () => {
  const first = await start();
  const session = await first.create({ 'inspectors-configuration': { limits: { downloads: 100 } } });
  for (const name of ['one', 'two']) expect((await session.curl(`${upstream.url}/${name}`)).status).toBe(200);
  first.kill('SIGKILL');
  await first.ended;

  const second = await start();
  const again = sessionOf(session, { runtime: second.runtime, caFile: second.runtime['ca-file'], call: second.call });
  expect((await again.curl(`${upstream.url}/three`)).status).toBe(200);
  const refused = await again.curl(`${upstream.url}/four`);
  expect(refused.status).toBe(403);
  expect(refused.stdout).toMatch(/the session has used up its 3 downloads .*limits\.downloads in inspectors\.yaml/);
  await again.revoke();
  const report = await again.report();
  expect(report.artifacts[0]?.downloads).toHaveLength(3);
  expect(report.refusals).toMatchObject([{ phase: 'session', 'status-code': 403 }]);
});

it('a build cannot send anything to an origin that it may read from', async () => {
  const daemon = await start();
  const session = await daemon.create();
  for (const loot of [
    ['-d', 'secret'],
    ['-X', 'PUT'],
    ['-H', `X-Loot: ${'x'.repeat(2000)}`],
  ]) {
    const refused = await session.curl(`${upstream.url}/a`, ...loot);
    expect([refused.status, refused.stdout]).toEqual([403, expect.stringMatching(/may not go upstream|inspectors/)]);
  }
  expect((await session.curl(`${upstream.url}/a?loot=c2VjcmV0`)).status).toBe(403);
  expect(upstream.requests).toEqual([]);
  await session.revoke();
  expect((await session.report()).refusals).toHaveLength(4);
});
