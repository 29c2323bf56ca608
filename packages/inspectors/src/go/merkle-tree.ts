import { createHash } from 'node:crypto';

/** A signed statement of the log: how many records it has, and the root over them. */
export interface TreeHead {
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
}

/** Reads the hash of the complete subtree at `level` (0 = records) and `index` of its level. */
export type HashReader = (level: number, index: number) => Promise<Buffer>;

/** Hash of a record. RFC 6962 §2.1 */
export function recordHash(data: string | Uint8Array): Buffer {
  return createHash('sha256').update(Buffer.of(0)).update(data).digest();
}

/** Hash of an inner node. RFC 6962 §2.1 */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(Buffer.of(1)).update(left).update(right).digest();
}

/**
 * Reads the text of a tree head.
 * @throws RangeError when it is none
 */
export function parseTreeHead(text: string): TreeHead {
  const [, size, root = ''] = /^go\.sum database tree\n(\d{1,15})\n([A-Za-z0-9+/]{43}=)\n/.exec(text) ?? [];
  if (size === undefined) throw new RangeError('not a tree head of a checksum database');
  return { size: Number(size), root: Buffer.from(root, 'base64') };
}

/**
 * Whether a record stands at its place in the tree: the root computed from its hash and its neighbours' is the signed one. What
 * the reader says is thereby checked as well.
 */
export async function includes(
  head: TreeHead,
  record: { readonly index: number; readonly hash: Buffer },
  read: HashReader,
): Promise<boolean> {
  if (!(record.index >= 0 && record.index < head.size)) return false;
  const root = async (low: number, high: number): Promise<Buffer> => {
    if (high - low === 1) return record.hash;
    const middle = low + largestPowerBelow(high - low);
    if (record.index < middle) return nodeHash(await root(low, middle), await rangeHash(middle, high, read));
    return nodeHash(await rangeHash(low, middle, read), await root(middle, high));
  };
  return (await root(0, head.size)).equals(head.root);
}

/**
 * Whether the newer tree begins with all records of the older one: both signed roots come out of the same subtrees.
 */
export async function extendsTree(newer: TreeHead, older: TreeHead, read: HashReader): Promise<boolean> {
  if (older.size > newer.size) return false;
  if (older.size === 0) return true;
  // The older tree's subtrees are nodes of the newer tree too: read once, they have to give both roots.
  const shared = new Map<string, Promise<Buffer>>();
  const once: HashReader = (level, index) => {
    const key = `${level}/${index}`;
    const hash = shared.get(key) ?? read(level, index);
    shared.set(key, hash);
    return hash;
  };
  const old = await rangeHash(0, older.size, once);
  if (!old.equals(older.root)) return false;
  const root = async (low: number, high: number): Promise<Buffer> => {
    const isShared =
      high <= older.size && isComplete(low, high) && shared.has(`${Math.log2(high - low)}/${low / (high - low)}`);
    if (isShared || low >= older.size) return rangeHash(low, high, once);
    const middle = low + largestPowerBelow(high - low);
    return nodeHash(await root(low, middle), await root(middle, high));
  };
  return (await root(0, newer.size)).equals(newer.root);
}

/** Hash over the records from `low` to before `high`, out of complete subtrees. */
async function rangeHash(low: number, high: number, read: HashReader): Promise<Buffer> {
  if (isComplete(low, high)) return read(Math.log2(high - low), low / (high - low));
  const middle = low + largestPowerBelow(high - low);
  return nodeHash(await rangeHash(low, middle, read), await rangeHash(middle, high, read));
}

function isComplete(low: number, high: number): boolean {
  const size = high - low;
  return Number.isInteger(Math.log2(size)) && low % size === 0;
}

/** The largest power of two below `size`. */
function largestPowerBelow(size: number): number {
  return 2 ** (Math.ceil(Math.log2(size)) - 1);
}
