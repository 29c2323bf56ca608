import { startHttpUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { askConnect, dial, readAll } from './client.js';
import { startTestProxy } from './harness.js';

/** Some clients open a tunnel for every URL, Node's own proxy support among them: plain HTTP inside is carried as such. */
describe('plain HTTP in a tunnel', () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function ask(hostOf: (port: number) => string, send: 'behind' | 'in one packet' = 'behind') {
    const upstream = await startHttpUpstream(
      (request, response) => void response.end(`${request.headers.host} ${request.url}`),
    );
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session();
    const socket = await dial(at);
    const request = `GET /a?b HTTP/1.1\r\nHost: ${hostOf(upstream.port)}\r\nConnection: close\r\n\r\n`;
    const authority = `localhost:${upstream.port}`;
    const connect = `CONNECT ${authority} HTTP/1.1\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`;
    if (send === 'behind') expect(await askConnect(socket, session, authority)).toMatch(/^HTTP\/1\.1 200 /);
    const rest = readAll(socket);
    socket.write(send === 'behind' ? request : connect + request);
    return { text: (await rest).text, report: await at.report(session), port: upstream.port };
  }

  it.each(['behind', 'in one packet'] as const)('is recorded under its http URL (request %s)', async (send) => {
    const { text, report, port } = await ask((p) => `localhost:${p}`, send);
    expect(text).toContain(`localhost:${port} /a?b`);
    expect(report.downloads).toMatchObject([{ url: `http://localhost:${port}/a?b`, statusCode: 200 }]);
  });

  it('with a Host other than the CONNECT authority: 421, recorded, nothing goes upstream', async () => {
    const { text, report } = await ask(() => 'other.example');
    expect(text).toMatch(/^HTTP\/1\.1 421 /);
    expect(report.refusals).toMatchObject([{ phase: 'protocol', statusCode: 421 }]);
    expect(report.downloads).toEqual([]);
  });
});
