import type { MadeBodies } from '../load/job.ts';

/**
 * Bodies that nginx makes out of their path: the eight digits of their number, repeated. Every number has a body of its
 * own and all of a folder are equally long (load/small.go expects the same).
 */
export interface MadeFolder {
  readonly folder: string;
  readonly bytes: number;
}

export const small: MadeFolder = { folder: '1k', bytes: 1024 };
export const medium: MadeFolder = { folder: '100k', bytes: 100 * 1024 };
export const madeFolders: readonly MadeFolder[] = [small, medium];

const digits = 8;
/** nginx takes no longer string in its configuration than 4096 bytes; longer bodies are this one, repeated. */
const unitBytes = 1024;

/** More numbers than any engine gets through in its turn, and still of eight digits. */
export const manyBodies = 2_000_000;

export function madeBody({ bytes }: MadeFolder, index: number): Buffer {
  return Buffer.alloc(bytes, number(index), 'latin1');
}

export function madePath({ folder }: MadeFolder, index: number): string {
  return `/${folder}/${number(index)}`;
}

/** Host that this number is asked of. */
export function madeHost({ hostSuffix }: Pick<MadeBodies, 'hostSuffix'>, index: number, host: string): string {
  return hostSuffix === undefined ? host : `n${number(index)}${hostSuffix}`;
}

/** The lines of nginx's server block. `return` sends a Content-Length, and `$1` holds the digits. */
export function madeLocation({ folder, bytes }: MadeFolder): string {
  const unit = '$1'.repeat(unitBytes / digits);
  return `location ~ "^/${folder}/([0-9]{${digits}})$" { set $unit "${unit}"; return 200 "${'$unit'.repeat(bytes / unitBytes)}"; }`;
}

function number(index: number): string {
  return String(index).padStart(digits, '0');
}
