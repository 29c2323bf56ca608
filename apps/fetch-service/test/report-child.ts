// Serves the report of a session once, and says what memory that took at most.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { openSessionStore } from '@waybill/session-store';
import { sessionReportText } from '../src/report/session-report.js';

const [url = '', id = ''] = process.argv.slice(2);
const store = await openSessionStore({ url });
const session = await store.getSession(id);
if (!session) throw new Error(`there is no session ${id}`);
let highest = 0;

function held(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function* watched(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let count = 0;
  for await (const piece of pieces) {
    // What is held counts, not what nobody has collected yet.
    if (count++ % 25 === 0) highest = Math.max(highest, held());
    yield piece;
  }
}

const server = createServer((_request, response) => {
  const text = sessionReportText({
    session,
    store,
    inspectorIds: ['npm.tarball'],
    spoolPath: '/spool',
    now: new Date(),
  });
  Readable.from(watched(text), { objectMode: false }).pipe(response);
  response.once('close', async () => {
    server.close();
    await store.close();
    process.stdout.write(`highest ${highest}\n`);
  });
}).listen(0, '127.0.0.1', () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port} ${held()}\n`);
});
