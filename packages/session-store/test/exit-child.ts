// Opens a store, uses it, and closes it or not: the process must end by itself either way.
import { openSessionStore } from '../src/index.js';
import { session, sessionId } from './records.js';

const [url = '', closing] = process.argv.slice(2);
const store = await openSessionStore({ url });
await store.createSession(session(sessionId(closing ?? 'left open')));
if (closing) await store.close();
process.stdout.write('end');
