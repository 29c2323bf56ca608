// Opens a store, uses its hash thread, and closes it or not: the process must end by itself either way.
import { createFileBlobStore } from '../src/index.js';
import { pattern } from '../src/pattern.js';

const [dir = '', closing] = process.argv.slice(2);
const store = await createFileBlobStore({ dir });
const writer = store.create();
await writer.write(pattern(1_000_000, closing ? 1 : 2));
await writer.commit();
await store.flush();
if (closing) await store.close();
process.stdout.write('end');
