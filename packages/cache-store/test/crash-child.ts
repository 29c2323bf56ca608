// Writes and collects until it is killed, and says what was acknowledged.
import { createHash, randomBytes } from 'node:crypto';
import { createFileBlobStore } from '@waybill/blob-store';
import { openCacheStore } from '../src/index.js';

const [dir = '', round = ''] = process.argv.slice(2);
const writer = { principal: 'child' };
const blobs = await createFileBlobStore({ dir: `${dir}/blobs`, hashThreads: 1, smallBytes: 2048 });
const store = await openCacheStore({
  database: `file:${dir}/index.sqlite`,
  blobs,
  rules: (name) => (name === 'kept' ? {} : { quotaBytes: 60_000, hardLimitBytes: 600_000 }),
  leaseMs: 1,
  // Bytes that nobody has go at once. What the time of grace is for, the same bytes coming anew at that moment, must not happen here.
  graceMs: -3_600_000,
  maintenanceMs: 0,
});

async function put(name: string, bytes: Buffer) {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const upload = await store.namespace(name).upload({ writer, sha256, size: bytes.length });
  await upload.write(bytes);
  return await upload.commit();
}

/** One entry with a reference, acknowledged by a line. What is in `spare` may be evicted. */
async function one(name: string, key: string, referenced = key): Promise<void> {
  const shared = Buffer.from(referenced.repeat(50));
  try {
    const value = await put(name, Buffer.concat([Buffer.from(key), randomBytes(Math.random() < 0.5 ? 500 : 5000)]));
    const reference = await put(name, shared);
    await store.namespace(name).publish({ kind: 'kv', keys: [key], value, references: [reference] }, writer);
    process.stdout.write(`${name} ${key} ${value.sha256} ${value.size}\n`);
  } catch (error) {
    // A blob without a lease may go before its name comes, and a full namespace refuses.
    const { code } = error as { code?: string };
    if (name !== 'spare' || (code !== 'CACHE_BLOB_MISSING' && code !== 'CACHE_FULL')) throw error;
  }
}

for (let count = 0; ; count += 4) {
  const keys = Array.from({ length: 4 }, (_, at) => `${round}-${count + at}`);
  // What `kept` has had since the turn before, `spare` has as well: removing bytes from one must not take them from the other.
  const before = keys.map((_, at) => (count === 0 ? `${round}-first-${at}` : `${round}-${count - 4 + at}`));
  await Promise.all(keys.flatMap((key, at) => [one('kept', key), one('spare', key, before[at])]));
  if (count % 40 === 0) void store.gc();
}
