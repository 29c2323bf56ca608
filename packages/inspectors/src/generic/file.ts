import {
  type ArtifactMetadata,
  type ArtifactView,
  type BodyDigests,
  type Digest,
  formatDigest,
  type GenericFile,
  type InspectorsConfig,
  matchesDigest,
  type VouchLink,
} from '@waybill/contracts';
import { compileUrlGlob, type UrlGlob } from '@waybill/policy';
import type { Inspector } from '../inspector.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { globVariants } from '../url-globs.js';

/** A file that the configuration pins. */
interface Pin {
  /** Path in the configuration: `generic.files[<index>]`. */
  readonly id: string;
  readonly index: number;
  readonly globs: readonly UrlGlob[];
  /** All must match. Strongest first. */
  readonly digests: readonly Digest[];
  readonly file: GenericFile;
}

/** Files at URLs with a digest pinned in the configuration, whatever their format. docs/inspectors/generic.file.md */
export function genericFile(config: InspectorsConfig): Inspector<readonly Pin[]> {
  const pinsOf = indexPins((config.generic?.files ?? []).map(toPin));
  return {
    id: 'generic.file',
    inspectRequest(request) {
      const matching = pinsOf(request.normalizedUrl);
      if (matching.length === 0) return undefined;
      const notes = { pins: matching.map(({ id }) => id) };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`expected GET of a pinned file, found ${request.method}`, notes);
      }
      return pending(`pinned by ${notes.pins.join(', ')}`, matching, notes);
    },
    async vouchedDigests(_request, matching) {
      return matching.map((pin) => ({ digests: pin.digests, vouchedBy: linkOf(pin) }));
    },
    async inspectArtifact(artifact, matching) {
      if (!matching) return undefined;
      const pin = matching.find(({ digests }) => hasAll(digests, artifact.digests));
      if (pin) return approved(`${algorithms(pin)} as pinned by ${pin.id}`, detailsOf(pin, artifact));
      if (artifact.contentEncoding !== undefined) {
        const decoded = await artifact.decoded();
        const other = matching.find(({ digests }) => hasAll(digests, decoded.digests));
        if (other) {
          const details = { ...detailsOf(other, artifact), annotations: { 'digest-of': 'decoded bytes' } };
          return approved(`${algorithms(other)} of the decoded bytes as pinned by ${other.id}`, details);
        }
      }
      return mismatch(artifact, matching);
    },
  };
}

function toPin(file: GenericFile, index: number): Pin {
  const digests: Digest[] = [];
  if (file.sha512) digests.push({ algorithm: 'sha512', hex: file.sha512 });
  if (file.sha256) digests.push({ algorithm: 'sha256', hex: file.sha256 });
  return { id: `generic.files[${index}]`, index, globs: globVariants(file.url).map(compileUrlGlob), digests, file };
}

/**
 * Which pins a URL matches, in the order of the configuration. Most patterns are plain URLs, a lock file's thousands of
 * them: these are found in a map, so that only patterns with wildcards cost time for each request.
 */
function indexPins(pins: readonly Pin[]): (normalizedUrl: string) => readonly Pin[] {
  const byUrl = new Map<string, Pin[]>();
  for (const pin of pins) {
    for (const { literal } of pin.globs) {
      if (literal === undefined) continue;
      const known = byUrl.get(literal);
      if (known) known.push(pin);
      else byUrl.set(literal, [pin]);
    }
  }
  const patterns = pins.filter(({ globs }) => globs.some(({ literal }) => literal === undefined));
  return (url) => {
    const exact = byUrl.get(url) ?? [];
    const others = patterns.filter(({ globs }) => globs.some((glob) => glob.matches(url)));
    if (others.length === 0) return exact;
    return [...new Set([...exact, ...others])].sort((a, b) => a.index - b.index);
  };
}

function hasAll(digests: readonly Digest[], actual: BodyDigests): boolean {
  return digests.every((digest) => matchesDigest(digest, actual) === true);
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

function mismatch(artifact: ArtifactView, pins: readonly Pin[]) {
  const wanted = pins.flatMap(({ digests }) => digests.map(formatDigest)).join(' or ');
  const found = pins.some(({ digests }) => digests.some(({ algorithm }) => algorithm === 'sha512'))
    ? `sha256:${artifact.digests.sha256} (sha512:${artifact.digests.sha512})`
    : `sha256:${artifact.digests.sha256}`;
  return rejected(`expected ${wanted}, found ${found}`, {
    hint: `if the file changed on purpose, update the digest of ${pins.map(({ id }) => id).join(', ')}`,
  });
}
