import type { ArtifactInspection, ArtifactView, CatalogParser, InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { JsonProjectionError, projectJson } from '../json-projection.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { readAtMost } from '../read-at-most.js';
import { originLink } from './packument.js';
import { locate, npmRegistries, type Registry } from './registries.js';
import {
  keysBytes,
  keysParser,
  keysPath,
  keysScope,
  npmKeysKind,
  parseKeys,
  SignatureFormatError,
} from './signatures.js';

const attestationsPath = '-/npm/v1/attestations/';

interface Expected {
  readonly registry: Registry;
  /** Of the package whose attestations are asked for; undefined for the keys. */
  readonly subject: string | undefined;
}

/**
 * What `npm audit signatures` asks a registry for: the keys with which it signs, and attestations of a version. Approved by trust
 * in the origin; the keys vouch for signatures where the configuration pins none. docs/inspectors/npm.keys.md
 */
export function npmKeys(config: InspectorsConfig): Inspector<Expected> {
  const registries = npmRegistries(config);
  return {
    id: npmKeysKind,
    catalogs: [keysParser as CatalogParser],
    inspectRequest(request) {
      const located = locate(registries, request.normalizedUrl);
      const subject = located && subjectOf(located.path);
      if (!located || (located.path !== keysPath && subject === undefined)) return undefined;
      const { registry } = located;
      const what = subject === undefined ? `keys of ${registry.id}` : `attestations of ${subject.slice(0, 300)}`;
      if (request.method !== 'GET' && request.method !== 'HEAD') return rejectedRequest(`${request.method} of ${what}`);
      return pending(what, { registry, subject }, { registry: registry.id });
    },
    async inspectArtifact(artifact, expected) {
      if (!expected) return undefined;
      return expected.subject === undefined
        ? inspectKeys(artifact, expected.registry)
        : inspectAttestations(artifact, expected.registry, expected.subject);
    },
  };
}

/** `<name>@<version>` of attestations that are asked for; a scope's slash may be encoded or not. */
function subjectOf(path: string): string | undefined {
  if (!path.startsWith(attestationsPath)) return undefined;
  const subject = path.slice(attestationsPath.length);
  const parts = subject.split('/');
  const isNamed = subject.lastIndexOf('@') > 0 && parts.length <= (subject.startsWith('@') ? 2 : 1);
  return isNamed && !parts.includes('') ? subject : undefined;
}

async function inspectKeys(artifact: ArtifactView, registry: Registry): Promise<ArtifactInspection> {
  try {
    const keys = parseKeys(await readAtMost(artifact.open(), keysBytes, SignatureFormatError));
    return approved(`${keys.length} keys from the configured registry ${registry.id}`, {
      metadata: { type: 'application/x.npm.keys', name: 'npm registry keys', vendor: registry.host },
      vouchedBy: [originLink(registry)],
      provides: [offerWithValue({ scope: keysScope(registry), kind: npmKeysKind }, keys)],
      annotations: { keys: keys.map(({ id }) => id) },
    });
  } catch (error) {
    if (!(error instanceof SignatureFormatError)) throw error;
    return rejected(`the list of keys of ${registry.id}: it ${error.message}`);
  }
}

async function inspectAttestations(
  artifact: ArtifactView,
  registry: Registry,
  subject: string,
): Promise<ArtifactInspection> {
  let isList = false;
  try {
    await projectJson(
      artifact.open(),
      {
        select(path, kind) {
          isList ||= path[0] === 'attestations' && kind === 'array';
          return path.length === 0 ? 'enter' : 'skip';
        },
        take() {},
      },
      { maxBytes: 64 * 2 ** 20 },
    );
  } catch (error) {
    if (!(error instanceof JsonProjectionError)) throw error;
    return rejected(`expected attestations as JSON: ${error.message}`);
  }
  if (!isList) return rejected(`expected attestations of ${subject.slice(0, 300)}, found no list of them`);
  return approved(`attestations from the configured registry ${registry.id}, which the client verifies`, {
    metadata: { type: 'application/x.npm.attestations', name: subject.slice(0, 300), vendor: registry.host },
    vouchedBy: [originLink(registry)],
  });
}
