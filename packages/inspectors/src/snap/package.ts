import { createHash } from 'node:crypto';
import {
  type ArtifactInspection,
  type ArtifactView,
  type Derivation,
  formatPurl,
  type InspectionContext,
} from '@waybill/contracts';
import { ArchiveError } from '../archive/expand.js';
import type { Inspector } from '../inspector.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { readSquashfsFile } from '../squashfs/read-file.js';
import { type Assertion, AssertionError, headerOf, quote } from './assertion.js';
import { type AssertionChain, assertionKind, createAssertionChain, type VerifiedAssertion } from './assertion-chain.js';
import { nameOfPlace, placeOf } from './assertion-place.js';
import { singleLineHeaders } from './assertions.js';
import { channelsOf } from './refresh.js';
import type { SnapStore } from './snap-store.js';
import { readSnapYaml, type SnapYaml, snapYamlBytes } from './snap-yaml.js';

interface Expected {
  readonly snapId: string;
  readonly revision: string;
}

/** The digest that assertions name snaps by; hashed once for all sessions. */
const sha3: Derivation<string> = { id: 'sha3-384/1', weigh: () => 200 };

/**
 * Snaps. Approved by the snap-revision of their sha3-384 and the snap-declaration of their id, signed up to a configured root account
 * key, when the declaration is what the configuration asks for. docs/inspectors/snap.md
 */
export function snapPackage(store: SnapStore | undefined): Inspector<Expected> {
  return {
    id: 'snap',
    inspectRequest(request) {
      const path = store?.pathOf(request);
      const isBelow = path?.startsWith('api/v1/snaps/download/') === true;
      if (!isBelow && !store?.isDownload(request)) return undefined;
      const [, snapId, revision] = /\/([A-Za-z0-9]{1,64})_(\d{1,10})\.snap$/.exec(request.url.pathname) ?? [];
      if (snapId === undefined || revision === undefined) return undefined;
      const notes = { 'snap-id': snapId, release: revision };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of a snap: a build only reads them`, notes);
      }
      const claim = pending(`revision ${revision} of the snap ${snapId}`, { snapId, revision }, notes);
      // Download URLs carry the store's own signature or token in their query.
      return store?.isDownload(request) && request.url.search.length <= 1024 ? { ...claim, needs: ['query'] } : claim;
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected || !store) return undefined;
      try {
        return await judge(artifact, expected, { store, chain: createAssertionChain(store), context });
      } catch (error) {
        if (!(error instanceof AssertionError) && !(error instanceof ArchiveError)) throw error;
        return rejected(`the snap ${expected.snapId} in revision ${expected.revision}: ${error.message}`);
      }
    },
  };
}

interface Means {
  readonly store: SnapStore;
  readonly chain: AssertionChain;
  readonly context: InspectionContext;
}

async function judge(artifact: ArtifactView, expected: Expected, means: Means): Promise<ArtifactInspection> {
  const { store, chain, context } = means;
  const digest = await context.derived(sha3, artifact.digests.sha256, () => sha3Of(artifact, context.signal));
  const named = Buffer.from(digest, 'hex').toString('base64url');
  const asked = { context };
  const revision = await chain.fetch({ type: 'snap-revision', key: [named] }, asked);
  checkRevision(revision.assertion, expected, artifact);
  const declaration = await chain.fetch({ type: 'snap-declaration', key: ['16', expected.snapId] }, asked);
  const name = headerOf(declaration.assertion, 'snap-name');
  const publisher = headerOf(declaration.assertion, 'publisher-id');
  const account = await chain.fetch({ type: 'account', key: [publisher] }, asked);
  const fault = filterFault(declaration.assertion, store);
  if (fault !== undefined) {
    return rejected(`the snap ${name}: ${fault}`, {
      hint: 'to allow it, add the value to snap.snap-declaration in inspectors.yaml',
      annotations: { 'snap-declaration': singleLineHeaders(declaration.assertion) },
    });
  }
  const yaml = await readMeta(artifact, context.signal);
  if (yaml.name !== name)
    throw new AssertionError(`its declaration calls it ${quote(name)}, meta/snap.yaml ${quote(yaml.name)}`);
  return approve({ digest, name, yaml, revision, declaration, account, expected }, await channelsOf(context, expected));
}

/** The assertion must be about what was asked for: the store may hand out another snap with an assertion of its own. */
function checkRevision(assertion: Assertion, { snapId, revision }: Expected, { size }: ArtifactView): void {
  const found = headerOf(assertion, 'snap-id');
  if (found !== snapId) throw new AssertionError(`its snap-revision is of the snap ${quote(found)}`);
  const number = headerOf(assertion, 'snap-revision');
  if (number !== revision) throw new AssertionError(`its snap-revision is of revision ${quote(number)}`);
  const signedSize = headerOf(assertion, 'snap-size');
  if (signedSize !== String(size)) throw new AssertionError(`expected ${quote(signedSize)} bytes, found ${size}`);
}

function filterFault({ headers }: Assertion, { filters }: SnapStore): string | undefined {
  for (const { name, value } of filters) {
    const found = headers.get(name);
    if (found === undefined) return `its snap-declaration has no ${name}, which snap.snap-declaration asks for`;
    if (!value.includes(found)) {
      return `its snap-declaration has the ${name} ${quote(found)}, allowed are ${value.slice(0, 10).join(', ') || 'none'}`;
    }
  }
  return undefined;
}

async function readMeta(artifact: ArtifactView, signal: AbortSignal): Promise<SnapYaml> {
  const bytes = await readSquashfsFile(artifact, 'meta/snap.yaml', { maxBytes: snapYamlBytes, signal });
  if (!bytes) throw new ArchiveError('it has no meta/snap.yaml');
  try {
    return readSnapYaml(bytes);
  } catch (error) {
    throw new ArchiveError((error as Error).message);
  }
}

async function sha3Of(artifact: ArtifactView, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha3-384');
  for await (const chunk of artifact.openRaw()) {
    signal.throwIfAborted();
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

interface Proof {
  readonly digest: string;
  readonly name: string;
  readonly yaml: SnapYaml;
  readonly expected: Expected;
  readonly revision: VerifiedAssertion;
  readonly declaration: VerifiedAssertion;
  readonly account: VerifiedAssertion;
}

function approve(
  proof: Proof,
  channels: { readonly requested?: string; readonly effective?: string },
): ArtifactInspection {
  const { digest, name, yaml, revision, declaration, account, expected } = proof;
  const vendor = account.assertion.headers.get('display-name') || headerOf(account.assertion, 'account-id');
  return approved(`${name} in revision ${expected.revision}, by its snap-revision and snap-declaration`, {
    metadata: {
      type: 'application/x.canonical.snap-package',
      name,
      version: yaml.version,
      description: yaml.summary,
      license: yaml.license,
      architecture: yaml.architectures.join(','),
      vendor,
      'store-revision': expected.revision,
      'content-id': expected.snapId,
      ...(channels.requested && { 'requested-channel': channels.requested }),
      ...(channels.effective && { 'effective-channel': channels.effective }),
      purl: formatPurl({
        type: 'generic',
        namespace: 'snap',
        name,
        version: yaml.version || expected.revision,
        qualifiers: { snap_id: expected.snapId, revision: expected.revision },
      }),
    },
    vouchedBy: [revision, declaration, account].map(({ assertion, sha256 }) => ({
      kind: 'artifact',
      sha256,
      inspector: assertionKind,
      name: nameOfPlace(placeOf(assertion) ?? { type: assertion.type, key: [] }),
    })),
    annotations: {
      'sha3-384': digest,
      'snap-revision': singleLineHeaders(revision.assertion),
      'snap-declaration': singleLineHeaders(declaration.assertion),
      account: singleLineHeaders(account.assertion),
    },
  });
}
