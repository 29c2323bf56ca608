import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Session } from 'node:inspector/promises';
import { listenError } from './listen.js';

const host = '127.0.0.1';
const maxSeconds = 120;

/**
 * Serves profiles on a loopback port: `/cpu?seconds=10` (.cpuprofile) and `/heap` (sampled allocations, .heapprofile). No
 * snapshots of the heap: they would hold tokens and credentials.
 * @throws FetchServiceError FETCH_PORT_IN_USE, FETCH_LISTEN_FAILED
 */
export async function startProfiler(port: number): Promise<{ readonly port: number; close(): Promise<void> }> {
  const session = new Session();
  session.connect();
  await session.post('HeapProfiler.startSampling');
  let isBusy = false;
  const server = createServer((request, response) => {
    if (isBusy) return void answer(response, 429, 'a profile is being taken\n');
    isBusy = true;
    profile(session, request, response)
      .catch(() => answer(response, 500, 'no profile\n'))
      .finally(() => {
        isBusy = false;
      });
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const options = { host, port };
  server.once('error', (cause) => reject(listenError(cause, { name: 'profiler', option: '--profile' }, options, host)));
  server.listen(options, resolve);
  await promise;
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : port,
    async close() {
      server.closeAllConnections();
      server.close();
      session.disconnect();
    },
  };
}

async function profile(session: Session, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://profiler');
  // A page in somebody's browser must not take profiles through a name that leads here.
  const isLocal = /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? '');
  if (!isLocal || request.method !== 'GET') return answer(response, 403, 'local GET only\n');
  if (url.pathname === '/heap') {
    const { profile } = await session.post('HeapProfiler.getSamplingProfile');
    return answer(response, 200, JSON.stringify(profile));
  }
  if (url.pathname !== '/cpu') return answer(response, 404, '/cpu?seconds=10 or /heap\n');
  const seconds = Math.min(Math.max(Number(url.searchParams.get('seconds') ?? 10) || 10, 1), maxSeconds);
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const { profile } = await session.post('Profiler.stop');
  return answer(response, 200, JSON.stringify(profile));
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': status === 200 ? 'application/json' : 'text/plain' }).end(body);
}
