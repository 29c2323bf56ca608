import { extendsTree, type HashReader, includes, parseTreeHead, recordHash, type TreeHead } from './merkle-tree.js';
import { type NoteVerifier, openNote, SignedNoteError } from './signed-note.js';
import { type TileFetcher, tileReader } from './tiles.js';

/** What the database says of one version of a module. */
export interface SumRecord {
  readonly module: string;
  readonly version: string;
  /** `h1:<base64>` of the zip and of go.mod. */
  readonly zip: string | undefined;
  readonly mod: string | undefined;
}

/** An answer of the database, its parts not yet proven. */
export interface Lookup {
  readonly index: number;
  readonly data: string;
  readonly records: readonly SumRecord[];
  readonly head: TreeHead;
}

/** The database's answer is not what it should be. */
export class SumDatabaseError extends Error {}

/**
 * Reads an answer to `lookup/<module>@<version>`: number, lines and the signed tree head.
 * @throws SumDatabaseError
 */
export function parseLookup(text: string, verifier: NoteVerifier): Lookup {
  const [, number = '', data = '', note = ''] = /^(\d{1,15})\n((?:[^\n]+\n){1,100})\n([\s\S]+)$/.exec(text) ?? [];
  if (number === '') throw new SumDatabaseError('not an answer of a checksum database');
  return { index: Number(number), data, records: parseSums(data), head: parseHead(note, verifier) };
}

/**
 * Reads a signed tree head.
 * @throws SumDatabaseError
 */
export function parseHead(note: string, verifier: NoteVerifier): TreeHead {
  try {
    return parseTreeHead(openNote(note, verifier));
  } catch (cause) {
    if (!(cause instanceof SignedNoteError || cause instanceof RangeError)) throw cause;
    throw new SumDatabaseError(cause.message, { cause });
  }
}

/**
 * Lines of go.sum, by version.
 * @throws SumDatabaseError
 */
export function parseSums(text: string): SumRecord[] {
  const found = new Map<string, { module: string; version: string; zip?: string; mod?: string }>();
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, module = '', version = '', mod, sum = ''] =
      /^(\S{1,1024}) (\S{1,256}?)(\/go\.mod)? (h1:[A-Za-z0-9+/]{43}=)$/.exec(line) ?? [];
    if (module === '') throw new SumDatabaseError(`not a line of checksums: ${JSON.stringify(line.slice(0, 200))}`);
    const key = `${module}@${version}`;
    const entry = found.get(key) ?? { module, version };
    const part = mod ? 'mod' : 'zip';
    if (entry[part] !== undefined && entry[part] !== sum) throw new SumDatabaseError(`two checksums of ${key}`);
    entry[part] = sum;
    found.set(key, entry);
  }
  return [...found.values()].map(({ module, version, zip, mod }) => ({ module, version, zip, mod }));
}

/** Hashes kept per log: complete subtrees never change. */
const keptHashes = 20_000;

/**
 * One log as this process knows it: the newest tree head that was proven, and subtree hashes that some proof has confirmed.
 * Facts of the log itself, the same for all sessions.
 */
export class KnownLog {
  #newest: TreeHead | undefined;
  readonly #hashes = new Map<string, Buffer>();

  get newest(): TreeHead | undefined {
    return this.#newest;
  }

  /**
   * Proves that a record is in the log, and that its tree head and the newest one known tell the same history.
   * @throws SumDatabaseError
   */
  async prove({ index, data, head }: Lookup, fetch: TileFetcher): Promise<void> {
    const { read, confirm } = this.#reader(head.size, fetch);
    const isIncluded = await readable(() => includes(head, { index, hash: recordHash(data) }, read));
    if (!isIncluded) throw new SumDatabaseError(`record ${index} is not in the signed tree of ${head.size} records`);
    confirm();
    await this.proveHead(head, fetch);
  }

  /**
   * Proves that a tree head tells the same history as the newest one known.
   * @throws SumDatabaseError
   */
  async proveHead(head: TreeHead, fetch: TileFetcher): Promise<void> {
    for (;;) {
      const known = this.#newest;
      if (known && known.size === head.size && known.root.equals(head.root)) return;
      if (known) await this.#compare(known, head, fetch);
      // Another head may have been proven meanwhile: then this one has to agree with that one as well.
      if (this.#newest !== known) continue;
      if (!known || head.size > known.size) this.#newest = head;
      return;
    }
  }

  async #compare(known: TreeHead, head: TreeHead, fetch: TileFetcher): Promise<void> {
    const [older, newer] = known.size <= head.size ? [known, head] : [head, known];
    const { read, confirm } = this.#reader(newer.size, fetch);
    if (!(await readable(() => extendsTree(newer, older, read)))) {
      throw new SumDatabaseError(
        `the tree of ${head.size} records contradicts the one of ${known.size} records seen before: the database shows two histories`,
      );
    }
    confirm();
  }

  #reader(size: number, fetch: TileFetcher): { readonly read: HashReader; confirm(): void } {
    const tiles = tileReader(size, fetch);
    const used = new Map<string, Buffer>();
    return {
      read: async (level, index) => {
        const key = `${level}/${index}`;
        const hash = this.#hashes.get(key) ?? (await tiles(level, index));
        used.set(key, hash);
        return hash;
      },
      confirm: () => {
        for (const [key, hash] of used) this.#hashes.set(key, hash);
        for (const key of this.#hashes.keys()) {
          if (this.#hashes.size <= keptHashes) break;
          this.#hashes.delete(key);
        }
      },
    };
  }
}

async function readable(work: () => Promise<boolean>): Promise<boolean> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new SumDatabaseError(`the proof cannot be read: ${cause.message}`, { cause });
  }
}
