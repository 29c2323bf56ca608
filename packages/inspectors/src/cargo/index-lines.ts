import type { Readable } from 'node:stream';
import type { CatalogParser } from '@waybill/contracts';
import { isHexDigest } from '@waybill/contracts';
import { isCrateVersion } from './index-path.js';

/** Kind of the catalogs that index files are. */
export const cargoIndexKind = 'cargo.index';

/** Scope of the index lines of one crate. */
export function crateScope(registryId: string, name: string): string {
  return `${cargoIndexKind}:${registryId}:${name.toLowerCase()}`;
}

/** The immutable value: what an index says of one crate. */
export interface CrateListing {
  /** As the index spells it. */
  readonly name: string;
  /** sha256 of each version's crate, lower-case hex. */
  readonly checksums: ReadonlyMap<string, string>;
  readonly yanked: number;
}

/** The lines do not say what an index file says. */
export class CargoIndexError extends Error {}

/** A line holds one version with all its dependencies and features. */
const lineBytes = 1024 * 1024;
const fileBytes = 64 * 1024 * 1024;
const mostVersions = 100_000;

/**
 * Reads an index file: one JSON object a line, a version each.
 * @param wanted name in lower case, as the path has it
 * @throws CargoIndexError
 */
export async function readIndexLines(bytes: Readable, wanted: string): Promise<CrateListing> {
  const checksums = new Map<string, string>();
  let name: string | undefined;
  let yanked = 0;
  for await (const line of lines(bytes)) {
    const entry = parseLine(line, checksums.size + 1);
    if (entry.name.toLowerCase() !== wanted) {
      throw new CargoIndexError(`expected lines of ${wanted}, found ${JSON.stringify(entry.name.slice(0, 100))}`);
    }
    name ??= entry.name;
    if (entry.name !== name) throw new CargoIndexError(`the lines spell ${wanted} in two ways`);
    if (checksums.has(entry.version)) throw new CargoIndexError(`version ${entry.version} is listed twice`);
    if (checksums.size >= mostVersions) throw new CargoIndexError(`more than ${mostVersions} versions`);
    checksums.set(entry.version, entry.checksum);
    if (entry.isYanked) yanked += 1;
  }
  if (name === undefined) throw new CargoIndexError(`expected lines of ${wanted}, found none`);
  return { name, checksums, yanked };
}

export const cargoIndexParser: CatalogParser<CrateListing> = {
  kind: cargoIndexKind,
  parse: (bytes, ref) => readIndexLines(bytes, ref.attributes?.name ?? ''),
  weigh: ({ checksums }) => 500 + checksums.size * 250,
};

async function* lines(bytes: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let size = 0;
  const decode = (chunk?: Buffer) => {
    try {
      return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
    } catch (cause) {
      throw new CargoIndexError('not UTF-8', { cause });
    }
  };
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > fileBytes) throw new CargoIndexError(`longer than ${fileBytes} bytes`);
    const parts = (rest + decode(chunk)).split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > lineBytes) throw new CargoIndexError(`a line is longer than ${lineBytes} characters`);
    for (const part of parts) if (part.trim() !== '') yield part;
  }
  rest += decode();
  if (rest.trim() !== '') yield rest;
}

interface Line {
  readonly name: string;
  readonly version: string;
  readonly checksum: string;
  readonly isYanked: boolean;
}

function parseLine(text: string, number: number): Line {
  if (text.length > lineBytes) throw new CargoIndexError(`line ${number} is longer than ${lineBytes} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CargoIndexError(`line ${number} is not JSON`, { cause });
  }
  if (typeof value !== 'object' || value === null) throw new CargoIndexError(`line ${number} is not an object`);
  const { name, vers, cksum, yanked } = value as Record<string, unknown>;
  if (typeof name !== 'string' || typeof vers !== 'string' || !isCrateVersion(vers)) {
    throw new CargoIndexError(`line ${number} has no name or no version`);
  }
  if (typeof cksum !== 'string' || !isHexDigest('sha256', cksum.toLowerCase())) {
    throw new CargoIndexError(`line ${number} has no sha256 checksum`);
  }
  return { name, version: vers, checksum: cksum.toLowerCase(), isYanked: yanked === true };
}
