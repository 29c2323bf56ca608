import { isUtf8 } from 'node:buffer';

/** JSON that is not what its format asks for. */
export class JsonShapeError extends Error {
  override readonly name = 'JsonShapeError';
}

/** @throws JsonShapeError */
export function parseJson(bytes: Buffer, maxBytes: number): unknown {
  if (bytes.length > maxBytes) throw new JsonShapeError(`more than ${maxBytes} bytes`);
  if (!isUtf8(bytes)) throw new JsonShapeError('not in UTF-8');
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new JsonShapeError('not JSON');
  }
}

/** @throws JsonShapeError */
export function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new JsonShapeError(`expected ${what} to be an object`);
  }
  return value as Record<string, unknown>;
}

/** A member of the object itself; never one of its prototype. */
export function field(value: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

/** @throws JsonShapeError */
export function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new JsonShapeError(`expected a list as ${what}`);
  return value;
}

/** Text or a number as text, cut; empty for everything else. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, 500);
  return typeof value === 'number' ? String(value) : '';
}
