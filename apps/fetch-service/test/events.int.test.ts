import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { runProgram, startHttpsUpstream } from '@waybill/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorkplace, loopbackAcl, type RunningDaemon, type Workplace } from './daemon.js';

const body = 'a file\n';
const sha256 = createHash('sha256').update(body).digest('hex');
let workplace: Workplace;
let daemon: RunningDaemon;
let upstream: Awaited<ReturnType<typeof startHttpsUpstream>>;

beforeAll(async () => {
  upstream = await startHttpsUpstream((_request, response) => void response.end(body));
  workplace = await createWorkplace({
    'acl.yaml': loopbackAcl,
    'inspectors.yaml': `generic: {files: [{url: "${upstream.url}/file", sha256: ${sha256}}]}\n`,
  });
  await writeFile(workplace.path('upstream.pem'), upstream.ca.certificatePem);
  daemon = await workplace.start({
    args: [`--upstream-ca=${workplace.path('upstream.pem')}`, '--permissive-mode', '--profile', '--profile-port=0'],
  });
});
afterAll(async () => {
  await workplace.remove();
  await upstream.close();
});

describe('a session while it is live', () => {
  it('is followed by server-sent events, and its sections are its own', async () => {
    const session = await daemon.create({
      'inspectors-configuration': { generic: { files: [{ url: `${upstream.url}/own`, sha256 }] } },
    });
    const events = await daemon.call('GET', `/session/${session.id}/events`);
    expect(events.headers.get('content-type')).toContain('text/event-stream');
    expect((await session.curl(`${upstream.url}/own`)).stdout).toBe(body);
    expect((await session.curl(`${upstream.url}/file`)).status).toBe(403);
    await session.revoke();
    const text = await events.text();
    expect([...text.matchAll(/^event: (.*)$/gm)].map((match) => match[1])).toEqual(['download', 'refusal', 'end']);
    expect(text).toContain(sha256);
    expect(text).not.toContain(session.token);
  });

  it('counts for the metrics', async () => {
    const metrics = await (await fetch(`${daemon.runtime['control-url']}/metrics`)).text();
    expect(metrics).toMatch(/^waybill_records_total\{kind="download",result="Approved"\} 1$/m);
    expect(metrics).toMatch(/^waybill_sessions_created_total\{policy="strict"\} 1$/m);
    expect(metrics).not.toContain('localhost');
  });

  it('delivers everything when permissive, and says what strict would have done', async () => {
    const session = await daemon.create({ policy: 'permissive' });
    const { status, stdout } = await session.curl(`${upstream.url}/unlisted`);
    expect([status, stdout]).toEqual([200, body]);
    await session.revoke();
    const report = await session.report();
    expect(report.artifacts.map(({ result }) => result)).toEqual(['Rejected']);
    expect(report.refusals).toMatchObject([{ delivered: true }]);
  });

  it('is served while profiles are taken, by programs of this machine only', async () => {
    const url =
      /"url":"(http:\/\/127\.0\.0\.1:\d+)","msg":"profiles are served"/.exec(daemon.output().stderr)?.[1] ?? '';
    expect(await (await fetch(`${url}/cpu?seconds=1`)).json()).toHaveProperty('nodes');
    expect(await (await fetch(`${url}/heap`)).json()).toHaveProperty('head');
    expect((await fetch(`${url}/else`)).status).toBe(404);
    const { port } = new URL(url);
    const foreign = await runProgram('curl', [
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      '-H',
      `Host: evil.example:${port}`,
      `${url}/heap`,
    ]);
    expect(foreign.stdout).toBe('403');
  });

  it('cannot reach the control API through the proxy', async () => {
    const session = await daemon.create({ policy: 'permissive' });
    const { status, stdout } = await session.curl(`${daemon.runtime['control-url']}/status`);
    expect(status).toBe(403);
    expect(stdout).toContain('this service itself');
  });
});
