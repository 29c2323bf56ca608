import { createHash, X509Certificate } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRootCa } from '@waybill/ca';
import type { RuntimeFile } from '@waybill/contracts';
import type { Daemon } from '../src/session/daemon.js';
import { emptyReport } from './sample-report.js';

/** What the fake answers instead of the usual, by `METHOD /path` with the id left out. */
export type Faults = Map<string, (request: IncomingMessage, response: ServerResponse) => void>;

/** A control API that behaves as the real one does, and as badly as a test wants. */
export interface FakeService {
  readonly url: string;
  readonly auth: string;
  readonly calls: string[];
  readonly bodies: unknown[];
  readonly faults: Faults;
  readonly report: Record<string, unknown>;
  readonly daemon: Daemon;
  runtime(): RuntimeFile;
  close(): Promise<void>;
}

/** Starts a fake. Token `secret-token`, session `s1`, `s2` … */
export async function startFakeService(): Promise<FakeService> {
  const ca = await createRootCa({});
  const auth = 'craft:control-secret';
  const calls: string[] = [];
  const bodies: unknown[] = [];
  const faults: Faults = new Map();
  const live = new Map<string, 'open' | 'revoked' | 'ended'>();
  const report = emptyReport();
  let sessions = 0;
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const [, id = ''] = /^\/(?:session|resources)\/([^/]+)/.exec(request.url ?? '') ?? [];
      const name = `${request.method} ${id === '' ? request.url : (request.url ?? '').replace(`/${id}`, '/ID')}`;
      calls.push(name);
      bodies.push(text === '' ? undefined : JSON.parse(text));
      const fault = faults.get(name);
      if (fault) return fault(request, response);
      if (
        name !== 'GET /status' &&
        name !== 'GET /ca.pem' &&
        request.headers.authorization !== `Basic ${Buffer.from(auth).toString('base64')}`
      ) {
        return response.writeHead(401).end('401 Unauthorized');
      }
      const json = (value: unknown) => response.end(JSON.stringify(value));
      switch (name) {
        case 'GET /status':
          return json({
            uptime: 1,
            'start-time': '2026-01-01T00:00:00.000Z',
            'session-count': sessions,
            'active-sessions': [],
          });
        case 'GET /ca.pem':
          return response.end(ca.certificatePem);
        case 'POST /session':
          live.set(`s${++sessions}`, 'open');
          return json({ id: `s${sessions}`, token: 'secret-token' });
        case 'DELETE /session/ID/token':
          if (!live.has(id)) return response.writeHead(404).end('404 Not Found');
          live.set(id, 'revoked');
          return json({ 'session-id': id, 'start-time': '', 'end-time': '', 'spool-path': '' });
        case 'GET /session/ID':
          if (live.get(id) !== 'revoked')
            return response.writeHead(live.has(id) ? 400 : 404).end('session token is active');
          return json({ ...report, 'session-id': id });
        case 'DELETE /session/ID':
          if (!live.has(id)) return response.writeHead(404).end('404 Not Found');
          live.delete(id);
          return response.end();
        case 'DELETE /resources/ID':
          return response.end();
        default:
          return response.writeHead(404).end('404 Not Found');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const runtime = (): RuntimeFile => ({
    version: '0.0.0',
    pid: process.pid,
    'started-at': '2026-01-01T00:00:00.000Z',
    'control-url': url,
    'proxy-url': 'http://127.0.0.1:1',
    auth,
    'ca-file': '/nowhere/ca.pem',
    'ca-sha256': createHash('sha256').update(new X509Certificate(ca.certificatePem).raw).digest('hex'),
    permissive: true,
  });
  return {
    url,
    auth,
    calls,
    bodies,
    faults,
    report,
    daemon: { runtime: runtime(), caPem: ca.certificatePem },
    runtime,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** Answers with a status and text. */
export const answer =
  (status: number, text = '') =>
  (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(status).end(text);
  };

/** Breaks the connection without an answer. */
export const hangUp = (request: IncomingMessage) => {
  request.socket.destroy();
};
