// Stores, deletes and compacts until it is killed. Says what it is about to delete and what is durable. With a slot, it also
// deletes what other processes stored.
import { createFileBlobStore } from '../src/index.js';
import { pattern } from '../src/pattern.js';

const [dir = '', firstSeed = '0', slot] = process.argv.slice(2);
const smallBytes = 8 * 1024;
const store = await createFileBlobStore({
  dir,
  smallBytes,
  segmentBytes: 256 * 1024,
  slot: Number(slot ?? 0),
  lookEveryMs: 20,
});
let seed = Number(firstSeed);
const kept: string[] = [];

/** Whole lines or nothing reach the parent: a pipe takes up to 4096 bytes at once. pipe(7) */
function say(...words: (string | number)[]): void {
  process.stdout.write(`${words.join(' ')}\n`);
}

async function storeSome(): Promise<void> {
  const batch = Array.from({ length: 12 }, () => seed++);
  const stored = await Promise.all(
    batch.map(async (one) => {
      const size = one % 9 === 0 ? smallBytes * 40 + one : (one * 131) % smallBytes;
      const writer = store.create();
      const body = pattern(size, one);
      for (let at = 0; at < size; at += 40_000) await writer.write(body.subarray(at, at + 40_000));
      const { digests } = await writer.commit();
      return { sha256: digests.sha256, size, one };
    }),
  );
  await store.flush();
  for (const { sha256, size, one } of stored) {
    say('stored', sha256, size, one);
    kept.push(sha256);
  }
}

async function deleteSome(): Promise<void> {
  const names = kept.splice(0, 9);
  for (const name of names) say('deleting', name);
  await Promise.all(names.map((name) => store.delete(name)));
  await store.flush();
  for (const name of names) say('deleted', name);
}

/** Whatever comes first in the list, whoever stored it. */
async function deleteOthers(): Promise<void> {
  const names: string[] = [];
  for await (const name of store.list()) if (!kept.includes(name) && names.push(name) === 3) break;
  for (const name of names) say('deleting', name);
  await Promise.all(names.map((name) => store.delete(name)));
}

while (true) {
  await storeSome();
  if (slot !== undefined) await deleteOthers();
  if (kept.length > 30) await Promise.all([deleteSome(), store.compact()]);
}
