import { field, JsonShapeError, objectOf, textOf } from '../json-shape.js';

/** One file of an image. */
export interface ImageItem {
  /** Below the place that `streams/` lies in. */
  readonly path: string;
  readonly sha256: string;
  /** Bytes; undefined when the catalog does not say. */
  readonly size: number | undefined;
  readonly product: string;
  readonly version: string;
  readonly type: string;
}

const mostItems = 200_000;

/**
 * The files that a simplestreams catalog of downloads lists with their sha256; others vouch for nothing.
 * @throws JsonShapeError
 * @see simplestreams' description of products:1.0
 */
export function readProducts(document: unknown): ImageItem[] {
  const root = objectOf(document, 'the catalog');
  const format = textOf(field(root, 'format'));
  if (format !== 'products:1.0')
    throw new JsonShapeError(`expected the format products:1.0, found ${JSON.stringify(format)}`);
  for (const key of ['datatype', 'updated']) if (textOf(field(root, key)) === '') throw new JsonShapeError(`no ${key}`);
  const items: ImageItem[] = [];
  for (const [product, value] of entries(field(root, 'products'), 'products')) {
    const versions = field(objectOf(value, product), 'versions');
    if (versions === undefined) continue;
    for (const [version, listed] of entries(versions, 'versions')) {
      for (const [type, item] of entries(field(objectOf(listed, version), 'items') ?? {}, 'items')) {
        if (items.length >= mostItems) throw new JsonShapeError(`more than ${mostItems} items`);
        const found = readItem(objectOf(item, type), { product, version, type });
        if (found) items.push(found);
      }
    }
  }
  return items;
}

function readItem(
  item: Record<string, unknown>,
  about: { readonly product: string; readonly version: string; readonly type: string },
): ImageItem | undefined {
  const path = field(item, 'path');
  const sha256 = textOf(field(item, 'sha256')).toLowerCase();
  if (typeof path !== 'string' || sha256 === '') return undefined;
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new JsonShapeError(`the sha256 ${JSON.stringify(sha256.slice(0, 100))}`);
  if (path.length > 500 || path.startsWith('/') || path.split('/').includes('..')) {
    throw new JsonShapeError(`the path ${JSON.stringify(path.slice(0, 200))}`);
  }
  const size = field(item, 'size');
  return { path, sha256, size: Number.isSafeInteger(size) ? (size as number) : undefined, ...about };
}

function entries(value: unknown, what: string): [string, unknown][] {
  return Object.entries(objectOf(value, what));
}
