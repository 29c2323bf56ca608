import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { startHttpsUpstream } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWorkplace, loopbackAcl, type Workplace } from './daemon.js';
import { type OtlpCollector, startOtlpCollector } from './otlp-collector.js';

let workplace: Workplace;
let upstream: Awaited<ReturnType<typeof startHttpsUpstream>>;
let collector: OtlpCollector;

const body = Buffer.from('pinned');
const sha256 = createHash('sha256').update(body).digest('hex');
const secret = 'hunter2hunter2';

beforeEach(async () => {
  upstream = await startHttpsUpstream((_request, response) => void response.end(body));
  collector = await startOtlpCollector();
  workplace = await createWorkplace({
    'acl.yaml': loopbackAcl,
    'inspectors.yaml': `generic: {files: [{url: "${upstream.url}/**", sha256: ${sha256}}]}\n`,
  });
  await writeFile(workplace.path('upstream.pem'), upstream.ca.certificatePem);
  // The api is no part of it: the metrics bring that along.
  await writeFile(
    workplace.path('loaded.mjs'),
    `import { registerHooks } from 'node:module';
registerHooks({ resolve(name, context, next) {
  if (/^@opentelemetry.(sdk|exporter|resources)/.test(name)) process.stderr.write('loaded ' + name + '\\n');
  return next(name, context);
} });\n`,
  );
});
afterEach(async () => {
  await workplace.remove();
  await upstream.close();
  await collector.close();
});

/** Runs a session and stops the daemon, which sends what waits. */
async function trace(environment: Readonly<Record<string, string>>) {
  const daemon = await workplace.start({
    args: [`--upstream-ca=${workplace.path('upstream.pem')}`],
    environment: { NODE_OPTIONS: `--import=${workplace.path('loaded.mjs')}`, ...environment },
  });
  const session = await daemon.create({
    secrets: [{ type: 'basic-auth', url: `${upstream.url}/**`, 'basic-credentials': `user:${secret}` }],
  });
  expect((await session.curl(`${upstream.url}/file`)).status).toBe(200);
  expect((await session.curl(`${upstream.url}/file?token=${secret}&other=${secret}`)).status).toBe(403);
  await session.revoke();
  daemon.kill('SIGTERM');
  expect(await daemon.ended).toBe(143);
  return { session, output: daemon.output() };
}

describe('traces', () => {
  it('have a trace per session and a span per request, without secrets; nothing of them goes upstream', async () => {
    const { session } = await trace({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-key=collector-key',
      OTEL_SERVICE_NAME: 'builds',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
    });
    expect(collector.requests[0]).toMatchObject({ path: '/v1/traces', headers: { 'x-key': 'collector-key' } });
    expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([session.id]));
    const [root] = collector.spans.filter(({ parentSpanId }) => parentSpanId === '');
    expect(root).toMatchObject({
      name: 'session',
      attributes: { 'waybill.policy': 'strict', 'waybill.session.state': 'revoked' },
    });
    expect(root?.resource).toMatchObject({ 'service.name': 'builds', 'deployment.environment': 'test' });
    const requests = collector.spans.filter(({ parentSpanId }) => parentSpanId === root?.spanId);
    expect(requests.map(({ name, attributes }) => [name, attributes['http.response.status_code']])).toEqual([
      ['GET', 200],
      ['GET', 403],
    ]);
    const [downloaded, refused] = requests;
    expect(downloaded?.attributes).toMatchObject({
      'url.full': `${upstream.url}/file`,
      'waybill.result': 'Approved',
      'waybill.artifact.sha256': sha256,
    });
    expect(
      collector.spans.filter(({ parentSpanId }) => parentSpanId === downloaded?.spanId).map(({ name }) => name),
    ).toEqual(['upstream', 'inspection']);
    const inspection = collector.spans.find(({ name }) => name === 'inspection');
    expect(inspection?.events[0]).toMatchObject({
      name: 'opinion',
      attributes: { inspector: 'generic.file', opinion: 'Approved' },
    });
    expect(refused?.attributes).toMatchObject({
      'waybill.refusal.phase': 'request',
      'url.full': `${upstream.url}/file`,
    });
    for (const span of [downloaded, refused]) expect(span?.start).toBeGreaterThanOrEqual(root?.start as number);
    const all = JSON.stringify(collector.spans);
    for (const hidden of [secret, session.token, Buffer.from(`user:${secret}`).toString('base64'), 'collector-key']) {
      expect(all).not.toContain(hidden);
    }
    const sent = upstream.requests.flatMap(({ rawHeaders }) => rawHeaders).map((text) => text.toLowerCase());
    expect(sent.some((text) => ['traceparent', 'tracestate', 'baggage', 'b3'].includes(text))).toBe(false);
    expect(sent.join('\n')).not.toContain(session.id);
  });

  it('are not even loaded when nobody asks for them', async () => {
    const { output } = await trace({});
    expect(output.stderr).not.toContain('loaded @opentelemetry');
    expect(collector.requests).toEqual([]);
  });

  it.each([
    ['OTEL_SDK_DISABLED', { OTEL_SDK_DISABLED: 'true' }],
    ['OTEL_TRACES_EXPORTER=none', { OTEL_TRACES_EXPORTER: 'none' }],
  ])('are off with %s', async (_name, environment) => {
    const { output } = await trace({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...environment });
    expect(output.stderr).not.toContain('loaded @opentelemetry');
    expect(collector.requests).toEqual([]);
  });

  it('keep to the sampler', async () => {
    const { output } = await trace({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0',
    });
    expect(output.stderr).toContain('loaded @opentelemetry');
    expect(collector.spans).toEqual([]);
  });

  it('do no harm when the collector is away: downloads go on, the log says so once', async () => {
    const { output } = await trace({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      OTEL_BSP_SCHEDULE_DELAY: '10',
      OTEL_EXPORTER_OTLP_TIMEOUT: '500',
    });
    const told = output.stderr.split('\n').filter((line) => line.includes('"msg":"traces"'));
    expect(told).toHaveLength(1);
  });
});
