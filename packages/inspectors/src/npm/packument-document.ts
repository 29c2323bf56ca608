import type { Readable } from 'node:stream';
import type { Derivation, JsonValue } from '@waybill/contracts';
import { type JsonAction, type JsonKind, projectJson } from '../json-projection.js';

/** What a packument says of one version's tarball. */
export interface VersionDist {
  readonly tarball?: string;
  /** Subresource Integrity text. */
  readonly integrity?: string;
  /** sha1 in hex. */
  readonly shasum?: string;
}

/** What is kept of a packument or of the document of a single version. */
export interface PackumentDocument {
  readonly name?: string;
  readonly description?: string;
  /** Of a single version's document. */
  readonly version?: string;
  readonly distTags: ReadonlyMap<string, string>;
  /** By version. A single version's document has one. */
  readonly versions: ReadonlyMap<string, VersionDist>;
  readonly unpublished: boolean;
  /** Entries whose name or version contradict the document; the first few, for people. */
  readonly contradictions: readonly string[];
}

/** A document with so many versions takes longer to read than a file with what is kept of it. */
const manyVersions = 32;

/** What is kept of a document, by the digest of the document. */
export const packumentDerivation: Derivation<PackumentDocument> = {
  id: 'npm.packument/1',
  weigh({ versions, distTags, description = '' }) {
    let weight = 1_000 + 2 * description.length + 200 * distTags.size;
    for (const { tarball = '', integrity = '', shasum = '' } of versions.values()) {
      weight += 400 + tarball.length + integrity.length + shasum.length;
    }
    return weight;
  },
  pack: (document) =>
    document.versions.size < manyVersions
      ? undefined
      : Buffer.from(
          JSON.stringify({ ...document, distTags: [...document.distTags], versions: [...document.versions] }),
        ),
  unpack(bytes) {
    const { distTags, versions, ...rest } = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return { ...rest, distTags: new Map(distTags), versions: new Map(versions) };
  },
};

/** Packuments of tens of megabytes exist; more than this does not. */
export const packumentBytes = 256 * 2 ** 20;

/**
 * Reads a packument (full or abbreviated) or a version's document in one pass, keeping only what vouches for tarballs.
 * @throws JsonProjectionError
 */
export async function readPackument(stream: Readable, maxBytes = packumentBytes): Promise<PackumentDocument> {
  const collected = collector();
  await projectJson(stream, collected, { maxBytes });
  return collected.document();
}

function collector() {
  const top = new Map<string, string>();
  const ownDist: Record<string, string> = {};
  const distTags = new Map<string, string>();
  const versions = new Map<string, Record<string, string>>();
  const claims: { version: string; field: string; value: string }[] = [];
  let unpublished = false;

  function select(path: readonly string[], kind: JsonKind): JsonAction {
    const [first, , third] = path;
    switch (path.length) {
      case 0:
        return 'enter';
      case 1:
        if (first === 'versions' || first === 'dist' || first === 'dist-tags' || first === 'time') return entered(kind);
        return kind === 'string' && isKept(first, topFields) ? 'take' : 'skip';
      case 2:
        if (first === 'versions') {
          const action = entered(kind);
          if (action === 'enter') versions.set(path[1] as string, {});
          return action;
        }
        if (first === 'time') unpublished ||= path[1] === 'unpublished';
        if (first === 'dist-tags') return kind === 'string' ? 'take' : 'skip';
        return first === 'dist' && kind === 'string' && isKept(path[1], distFields) ? 'take' : 'skip';
      case 3:
        if (third === 'dist') return entered(kind);
        return kind === 'string' && (third === 'name' || third === 'version') ? 'take' : 'skip';
      default:
        return kind === 'string' && isKept(path[3], distFields) ? 'take' : 'skip';
    }
  }

  function take(path: readonly string[], value: JsonValue): void {
    const text = String(value);
    const [first = '', second = '', third = '', fourth = ''] = path;
    if (path.length === 1) top.set(first, text);
    else if (first === 'dist') ownDist[second] = text;
    else if (first === 'dist-tags') distTags.set(second, text);
    else if (path.length === 3) claims.push({ version: second, field: third, value: text });
    else (versions.get(second) as Record<string, string>)[fourth] = text;
  }

  function document(): PackumentDocument {
    const name = top.get('name');
    const version = top.get('version');
    const single = version !== undefined && versions.size === 0;
    return {
      ...(name !== undefined && { name }),
      ...(single && { version }),
      description: top.get('description') ?? '',
      distTags,
      versions: single ? new Map([[version, ownDist]]) : versions,
      unpublished: unpublished && versions.size === 0,
      contradictions: claims
        .filter(({ version: key, field, value }) => value !== (field === 'name' ? name : key))
        .slice(0, 5)
        .map(({ version: key, field, value }) => `versions[${show(key)}].${field} is ${show(value)}`),
    };
  }

  return { select, take, document };
}

const topFields = ['name', 'version', 'description'];
const distFields = ['tarball', 'integrity', 'shasum'];

function isKept(field: string | undefined, fields: readonly string[]): boolean {
  return field !== undefined && fields.includes(field);
}

/** Null and the like where an object may stand: nothing there. */
function entered(kind: JsonKind): JsonAction {
  return kind === 'object' ? 'enter' : 'skip';
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
