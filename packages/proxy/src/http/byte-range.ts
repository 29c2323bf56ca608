import type { ByteRange } from '@waybill/contracts';

/** What a `Range` header asks for: a part, the whole (not understood or several parts), or something that is not there. */
export type RangeAnswer = ByteRange | 'whole' | 'unsatisfiable';

/**
 * Reads a `Range` header against a body of known size. Several ranges are answered with the whole body, which RFC 9110 §14.2
 * allows: nobody needs `multipart/byteranges` and everybody gets it wrong.
 */
export function parseRange(header: string, size: number): RangeAnswer {
  const match = /^\s*bytes\s*=\s*(.*)$/i.exec(header);
  const specs = match?.[1]?.split(',').map((spec) => spec.trim()) ?? [];
  const parts = specs.filter((spec) => spec !== '');
  const [only] = parts;
  if (only === undefined || parts.length > 1) return 'whole';
  const bounds = /^(\d{0,15})-(\d{0,15})$/.exec(only);
  if (!bounds || (bounds[1] === '' && bounds[2] === '')) return 'whole';
  return bounds[1] === '' ? suffix(Number(bounds[2]), size) : interval(Number(bounds[1]), bounds[2] as string, size);
}

function suffix(length: number, size: number): RangeAnswer {
  if (length === 0 || size === 0) return 'unsatisfiable';
  return { start: Math.max(size - length, 0), end: size - 1 };
}

function interval(start: number, last: string, size: number): RangeAnswer {
  const end = last === '' ? size - 1 : Number(last);
  if (last !== '' && end < start) return 'whole';
  return start >= size ? 'unsatisfiable' : { start, end: Math.min(end, size - 1) };
}
