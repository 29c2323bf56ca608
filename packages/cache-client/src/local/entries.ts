import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheBlobSchema } from '@waybill/contracts';
import { z } from 'zod';
import { renameInto, touch } from './content.js';
import { ifThere } from './system-error.js';

const entrySchema = z.strictObject({
  format: z.literal(1),
  key: z.string().min(1).max(1024),
  value: cacheBlobSchema,
  origin: z.strictObject({
    remote: z.string(),
    namespace: z.string().optional(),
    writer: z.string().optional(),
  }),
});

/** A name in the local cache. */
export type EntryDocument = z.infer<typeof entrySchema>;

/** A name and when it was last used. */
export interface UsedEntry {
  readonly document: EntryDocument;
  readonly path: string;
  readonly usedMs: number;
}

/** Names in the local cache, a document each: `entries/<sha256 of the key>.json`. Last writer wins. */
export interface Entries {
  /** Counts as use. A document that cannot be read is removed and not found. */
  find(key: string): Promise<EntryDocument | undefined>;
  set(document: EntryDocument): Promise<void>;
  /** @returns whether it was there */
  remove(key: string): Promise<boolean>;
  /** In no order; does not count as use. */
  all(): AsyncIterable<UsedEntry>;
}

/** Opens the names below a directory. */
export async function openEntries(dir: string): Promise<Entries> {
  const folder = join(dir, 'entries');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const pathOf = (key: string) => join(folder, `${createHash('sha256').update(key).digest('hex')}.json`);
  return {
    async find(key) {
      const path = pathOf(key);
      const document = await load(path);
      if (document?.key !== key) return undefined;
      await ifThere(touch(path));
      return document;
    },
    async set(document) {
      const temporary = join(dir, 'tmp', randomUUID());
      const handle = await open(temporary, 'wx', 0o600);
      try {
        await handle.writeFile(JSON.stringify(document));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await renameInto(temporary, pathOf(document.key));
      await syncDirectory(folder);
    },
    async remove(key) {
      return (await ifThere(rm(pathOf(key)).then(() => true))) ?? false;
    },
    async *all() {
      for (const name of await readdir(folder)) {
        if (!name.endsWith('.json')) continue;
        const path = join(folder, name);
        const found = await ifThere(stat(path));
        const document = found && (await load(path));
        if (document) yield { document, path, usedMs: found.mtimeMs };
      }
    },
  };
}

async function load(path: string): Promise<EntryDocument | undefined> {
  const text = await ifThere(readFile(path, 'utf8'));
  if (text === undefined) return undefined;
  const document = entrySchema.safeParse(parse(text));
  if (document.success) return document.data;
  await rm(path, { force: true });
  return undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
