// Records until it is killed, and says what was acknowledged.
import { openSessionStore } from '../src/index.js';
import { download, refusal, response404, session, sessionId } from './records.js';

const [url = '', round = ''] = process.argv.slice(2);
const store = await openSessionStore({ url });
const id = sessionId(round);
await store.createSession(session(id));
process.stdout.write(`session ${id}\n`);

/** One exchange, acknowledged by a line. */
async function recordOne(name: string): Promise<void> {
  await store.record([
    download(id, name, { result: 'Rejected', delivery: 'withheld', refusal: refusal(id, { reason: name }) }),
    response404(id, { note: name }),
  ]);
  process.stdout.write(`recorded ${id} ${name}\n`);
}

for (let count = 0; ; count += 8) {
  await Promise.all(Array.from({ length: 8 }, (_, at) => recordOne(`${round}-${count + at}`)));
}
