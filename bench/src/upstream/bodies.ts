/** Bytes of every small body. */
export const smallBytes = 1024;
const digits = 8;

/** Every number has a body of its own and all are equally long: its digits, repeated (load/small.go expects the same). */
export function smallBody(index: number): Buffer {
  return Buffer.alloc(smallBytes, number(index), 'latin1');
}

/** Path of the small body with this number; nginx makes the body out of it (nginx-config.ts). */
export function smallPath(index: number): string {
  return `/small/${number(index)}`;
}

/** The same as an nginx string in which `$1` holds the digits. */
export function smallBodyTemplate(): string {
  return '$1'.repeat(smallBytes / digits);
}

/** The pattern that captures the digits out of the path. */
export const smallPathPattern = `^/small/([0-9]{${digits}})$`;

function number(index: number): string {
  return String(index).padStart(digits, '0');
}
