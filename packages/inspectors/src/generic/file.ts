import {
  type ArtifactMetadata,
  type ArtifactView,
  type Digest,
  formatDigest,
  type GenericFile,
  type InspectorsConfig,
  type VouchLink,
} from '@waybill/contracts';
import { compileUrlGlob, type UrlGlob } from '@waybill/policy';
import { type Digestible, decodedDigests, hasDigest } from '../has-digest.js';
import type { Inspector } from '../inspector.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { globVariants } from '../url-globs.js';

/** A file that the configuration pins. A lock file may bring a hundred thousand: what can be derived is. */
class Pin {
  readonly index: number;
  readonly file: GenericFile;

  constructor(file: GenericFile, index: number) {
    this.file = file;
    this.index = index;
  }

  /** Path in the configuration. */
  get id(): string {
    return `generic.files[${this.index}]`;
  }

  /** All must match. Strongest first. */
  get digests(): readonly Digest[] {
    const { sha256, sha512 } = this.file;
    const digests: Digest[] = [];
    if (sha512) digests.push({ algorithm: 'sha512', hex: sha512 });
    if (sha256) digests.push({ algorithm: 'sha256', hex: sha256 });
    return digests;
  }
}

/** Files at URLs with a digest pinned in the configuration, whatever their format. docs/inspectors/generic.file.md */
export function genericFile(config: InspectorsConfig): Inspector<readonly Pin[]> {
  const pinsOf = indexPins(config.generic?.files ?? []);
  return {
    id: 'generic.file',
    inspectRequest(request) {
      const matching = pinsOf(request.normalizedUrl);
      if (matching.length === 0) return undefined;
      const notes = { pins: matching.map(({ id }) => id) };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`expected GET of a pinned file, found ${request.method}`, notes);
      }
      const inspection = pending(`pinned by ${notes.pins.join(', ')}`, matching, notes);
      if (request.url.search === '' || !matching.some(({ file }) => isToTheLetter(file.url, request.normalizedUrl)))
        return inspection;
      return { ...inspection, needs: ['query'] };
    },
    async vouchedDigests(_request, matching) {
      return matching.map((pin) => ({ digests: pin.digests, vouchedBy: linkOf(pin) }));
    },
    async inspectArtifact(artifact, matching) {
      if (!matching) return undefined;
      const pin = await findPin(matching, artifact);
      if (pin) return approved(`${algorithms(pin)} as pinned by ${pin.id}`, detailsOf(pin, artifact));
      if (artifact.contentEncoding !== undefined) {
        const other = await findPin(matching, await decodedDigests(artifact));
        if (other) {
          const details = { ...detailsOf(other, artifact), annotations: { 'digest-of': 'decoded bytes' } };
          return approved(`${algorithms(other)} of the decoded bytes as pinned by ${other.id}`, details);
        }
      }
      return await mismatch(artifact, matching);
    },
  };
}

/**
 * Which pins a URL matches, in the order of the configuration. Most patterns are plain URLs, a lock file's thousands of
 * them: these are found in a map, so that only patterns with wildcards cost time for each request.
 */
function indexPins(files: readonly GenericFile[]): (normalizedUrl: string) => readonly Pin[] {
  const byUrl = new Map<string, Pin | Pin[]>();
  const patterns: { readonly pin: Pin; readonly globs: readonly UrlGlob[] }[] = [];
  for (const [index, file] of files.entries()) {
    const pin = new Pin(file, index);
    const globs = globVariants(file.url).map(compileUrlGlob);
    for (const { literal } of globs) {
      if (literal === undefined) continue;
      const known = byUrl.get(literal);
      if (Array.isArray(known)) known.push(pin);
      else byUrl.set(literal, known ? [known, pin] : pin);
    }
    if (globs.some(({ literal }) => literal === undefined)) patterns.push({ pin, globs });
  }
  return (url) => {
    const found = byUrl.get(url) ?? [];
    const exact = Array.isArray(found) ? found : [found];
    if (patterns.length === 0) return exact;
    const others = patterns.filter(({ globs }) => globs.some((glob) => glob.matches(url))).map(({ pin }) => pin);
    if (others.length === 0) return exact;
    return [...new Set([...exact, ...others])].sort((a, b) => a.index - b.index);
  };
}

/** A URL that is pinned to the letter holds nothing that the build made up; in a glob the question mark is a wildcard. */
function isToTheLetter(pattern: string, normalizedUrl: string): boolean {
  return globVariants(pattern).some((glob) => glob.replace(/\\(.)/g, '$1') === normalizedUrl);
}

/** The first pin all of whose digests the bytes have. */
async function findPin(pins: readonly Pin[], bytes: Digestible): Promise<Pin | undefined> {
  for (const pin of pins) {
    const matches = await Promise.all(pin.digests.map((digest) => hasDigest(bytes, digest)));
    if (matches.every(Boolean)) return pin;
  }
  return undefined;
}

function detailsOf(pin: Pin, artifact: ArtifactView): { metadata: Partial<ArtifactMetadata>; vouchedBy: VouchLink[] } {
  const { name, version, license, purl } = pin.file;
  const { hostname, pathname } = artifact.request.url;
  const metadata = {
    name: name ?? pathname.slice(pathname.lastIndexOf('/') + 1),
    vendor: hostname,
    ...(version !== undefined && { version }),
    ...(license !== undefined && { license }),
    ...(purl !== undefined && { purl }),
  };
  return { metadata, vouchedBy: [linkOf(pin)] };
}

function linkOf(pin: Pin): VouchLink {
  return { kind: 'digest', id: formatDigest(pin.digests[0] as Digest), name: pin.id };
}

function algorithms(pin: Pin): string {
  return pin.digests.map(({ algorithm }) => algorithm).join(' and ');
}

async function mismatch(artifact: ArtifactView, pins: readonly Pin[]) {
  const wanted = pins.flatMap(({ digests }) => digests.map(formatDigest)).join(' or ');
  const found = pins.some(({ digests }) => digests.some(({ algorithm }) => algorithm === 'sha512'))
    ? `sha256:${artifact.digests.sha256} (sha512:${await artifact.digest('sha512')})`
    : `sha256:${artifact.digests.sha256}`;
  return rejected(`expected ${wanted}, found ${found}`, {
    hint: `if the file changed on purpose, update the digest of ${pins.map(({ id }) => id).join(', ')}`,
  });
}
