import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ControlApi, createControlApi } from './control-api.ts';
import { checkReport } from './waybill.ts';

const session = { id: 'a', token: 't' };
const artifact = (result: string, ...statuses: number[]) => ({
  result,
  downloads: statuses.map((status) => ({ 'status-code': status })),
});
const report = {
  artifacts: [
    artifact('Approved', 200),
    artifact('Approved', 200, 404, 200),
    artifact('Rejected', 200),
    artifact('Rejected', 500),
  ],
};

const asked: string[] = [];
const server = createServer(async (request, response) => {
  let body = '';
  for await (const piece of request) body += piece;
  asked.push(`${request.method} ${request.url} ${body} ${request.headers.authorization}`);
  if (request.url === '/session/gone') response.writeHead(404).end('no such session');
  else response.end(JSON.stringify(request.method === 'POST' ? session : report));
});
let control: ControlApi;
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  control = createControlApi(`http://127.0.0.1:${(server.address() as { port: number }).port}`, 'me:secret');
});
afterAll(() => void server.close());

describe('the control API', () => {
  it('creates a session, revokes it before its report is read, and removes it', async () => {
    const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    expect(await control.createSession('strict', { generic: { files: [] } })).toEqual(session);
    await control.closeSession(session);
    await control.removeSession(session);
    expect(asked).toEqual([
      `POST /session {"policy":"strict","inspectors-configuration":{"generic":{"files":[]}}} ${basic}`,
      `DELETE /session/a/token {"token":"t"} ${basic}`,
      `GET /session/a  ${basic}`,
      `DELETE /session/a  ${basic}`,
      `DELETE /resources/a  ${basic}`,
    ]);
  });

  it('counts complete downloads, and those of them that are not approved', async () => {
    expect(await control.closeSession(session)).toEqual({ downloads: 4, rejected: 1 });
  });

  it('says what was answered when it is an error', async () => {
    await expect(control.openReport({ id: 'gone', token: '' })).rejects.toMatchObject({
      code: 'BENCH_ENGINE_FAILED',
      message: 'GET /session/gone was answered 404: no such session',
    });
  });
});

describe('checkReport', () => {
  it('is content with exactly what clients completed', () => {
    expect(() => checkReport({ downloads: 7, rejected: 0 }, 7)).not.toThrow();
  });

  it.each([
    ['one is missing', { downloads: 6, rejected: 0 }],
    ['one is too many', { downloads: 8, rejected: 0 }],
    ['one was not approved', { downloads: 7, rejected: 1 }],
    ['all are missing', { downloads: 0, rejected: 0 }],
  ])('is not when %s', (_name, counts) => {
    expect(() => checkReport(counts, 7)).toThrow(expect.objectContaining({ code: 'BENCH_RECORD_INCOMPLETE' }));
  });
});
