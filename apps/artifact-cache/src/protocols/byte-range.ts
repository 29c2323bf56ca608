import type { CacheRange } from '@waybill/cache-store';

/**
 * What `Range` asks for: a range, `unsatisfiable`, or undefined for the whole: no header, another unit, several ranges (which a
 * server may answer with the whole) or anything that cannot be read. RFC 9110 §14.2
 */
export function byteRange(header: string | undefined, size: number): CacheRange | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const count = Math.min(Number(last), size);
    return count === 0 ? 'unsatisfiable' : { start: size - count, end: size - 1 };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}
