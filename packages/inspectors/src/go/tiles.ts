import { type HashReader, nodeHash } from './merkle-tree.js';

/** Hashes of a tile stand for so many levels: tiles are up to 256 hashes wide. */
export const tileHeight = 8;
const tileWidth = 2 ** tileHeight;
const hashBytes = 32;
/** Of a full tile. */
export const tileBytes = tileWidth * hashBytes;

/** Fetches the bytes of a tile by its path below the database's base; undefined when it is not to be had. */
export type TileFetcher = (path: string) => Promise<Uint8Array | undefined>;

/**
 * Reads hashes out of tiles of a log with `size` records. What a tile says is taken as it is: whoever computes a root checks it.
 * @throws RangeError when a tile is missing or has the wrong length
 */
export function tileReader(size: number, fetch: TileFetcher): HashReader {
  const tiles = new Map<string, Promise<Buffer>>();
  return async (level, index) => {
    const height = Math.floor(level / tileHeight);
    const span = 2 ** (level % tileHeight);
    const first = index * span;
    const number = Math.floor(first / tileWidth);
    const width = Math.min(tileWidth, Math.floor(size / 2 ** (height * tileHeight)) - number * tileWidth);
    const path = tilePath(height, number, width);
    const known = tiles.get(path) ?? fetchTile(path, width, fetch);
    tiles.set(path, known);
    const tile = await known;
    const start = first - number * tileWidth;
    return fold(tile, start, start + span);
  };
}

/** `tile/8/<level>/<number>` with `.p/<width>` for one that is not full; numbers in groups of three digits. */
export function tilePath(height: number, number: number, width: number): string {
  const digits = String(number).padStart(Math.ceil(String(number).length / 3) * 3, '0');
  const groups = digits.match(/\d{3}/g) ?? [];
  const place = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${tileHeight}/${height}/${place}${width < tileWidth ? `.p/${width}` : ''}`;
}

async function fetchTile(path: string, width: number, fetch: TileFetcher): Promise<Buffer> {
  const bytes = await fetch(path);
  if (!bytes) throw new RangeError(`${path} is not to be had`);
  if (bytes.length !== width * hashBytes) throw new RangeError(`${path} has ${bytes.length} bytes`);
  return Buffer.from(bytes);
}

function fold(tile: Buffer, start: number, end: number): Buffer {
  if (end - start === 1) return Buffer.from(tile.subarray(start * hashBytes, end * hashBytes));
  const middle = (start + end) / 2;
  return nodeHash(fold(tile, start, middle), fold(tile, middle, end));
}
