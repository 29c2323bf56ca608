import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ArtifactInspection, CatalogParser } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { type Assertion, AssertionError, assertionBytes, parseAssertions, quote } from './assertion.js';
import { assertionKind, createAssertionChain, type VerifiedAssertion } from './assertion-chain.js';
import { type AssertionPlace, nameOfPlace, parseAssertionPath, placeOf } from './assertion-place.js';
import { requestFault } from './device-requests.js';
import type { SnapStore } from './snap-store.js';

const devices = 'api/v1/snaps/auth/devices';
const mediaType = 'application/x.ubuntu.assertion';

/** What was asked for: one assertion by its key, or the serial of a device with all that it needs. */
type Expected = AssertionPlace | { readonly type: 'serial'; readonly key: undefined };

const parser: CatalogParser<readonly Assertion[]> = {
  kind: assertionKind,
  parse: async (bytes: Readable) => parseAssertions(await buffer(bytes)),
  weigh: (assertions) => assertions.reduce((sum, { bytes }) => sum + 3 * bytes.length + 500, 0),
};

/**
 * Signed statements of a snap store, each verified up to a configured root account key. docs/inspectors/snap.assertion.md
 */
export function snapAssertion(store: SnapStore | undefined): Inspector<Expected> {
  return {
    id: assertionKind,
    catalogs: [parser],
    inspectRequest(request) {
      const path = store?.pathOf(request);
      if (path === undefined) return undefined;
      if (path === devices) {
        if (request.method !== 'POST')
          return rejectedRequest(`a serial is asked for with POST, found ${request.method}`);
        const fault = requestFault('serial', request.body);
        if (fault !== undefined) return rejectedRequest(`not a request for a serial: ${fault}`);
        const claim = pending('the serial of a device', { type: 'serial', key: undefined } as const);
        return { ...claim, needs: ['method', 'body'] };
      }
      const place = parseAssertionPath(path);
      if (!place) return undefined;
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of an assertion: a build only reads them`);
      }
      const claim = pending(nameOfPlace(place), place, { type: place.type, key: place.key.join('/') });
      return /^\?max-format=\d{1,3}$/.test(request.url.search) ? { ...claim, needs: ['query'] } : claim;
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected || !store) return undefined;
      const declared = artifact.responseHeaders.get('content-type')?.split(';')[0]?.trim().toLowerCase();
      if (declared !== mediaType) return rejected(`expected ${mediaType}, found ${declared || 'no content type'}`);
      try {
        if (artifact.size > assertionBytes) throw new AssertionError(`more than ${assertionBytes} bytes`);
        const assertions = parseAssertions(await buffer(artifact.open()));
        checkExpected(assertions, expected);
        const asked = { context, beside: assertions, besideSha256: artifact.digests.sha256 };
        const chain = createAssertionChain(store);
        const verified: VerifiedAssertion[] = [];
        for (const one of assertions) verified.push(await chain.verify(one, artifact.digests.sha256, asked));
        return approve(assertions, verified, artifact.digests.sha256);
      } catch (error) {
        if (!(error instanceof AssertionError)) throw error;
        const what = expected.key ? nameOfPlace(expected) : expected.type;
        return rejected(`${what}: ${error.message}`);
      }
    },
  };
}

function checkExpected(assertions: readonly Assertion[], expected: Expected): void {
  const [first, ...more] = assertions as [Assertion, ...Assertion[]];
  if (expected.key === undefined) {
    if (!assertions.some(({ type }) => type === 'serial')) throw new AssertionError(`found ${quote(first.type)}`);
    return;
  }
  if (more.length > 0) throw new AssertionError(`expected one assertion, found ${assertions.length}`);
  const found = placeOf(first);
  if (!found || nameOfPlace(found) !== nameOfPlace(expected)) {
    throw new AssertionError(`found ${found ? nameOfPlace(found) : quote(first.type)} instead`);
  }
}

function approve(
  assertions: readonly Assertion[],
  verified: readonly VerifiedAssertion[],
  own: string,
): ArtifactInspection {
  const main = assertions.find(({ type }) => type === 'serial') ?? (assertions[0] as Assertion);
  const authority = main.headers.get('authority-id') ?? '';
  const links = verified.map(({ signer }) => signer).filter((link) => link.kind !== 'artifact' || link.sha256 !== own);
  const unique = [...new Map(links.map((link) => [JSON.stringify(link), link])).values()];
  const place = placeOf(main);
  return approved(`signed by ${main.headers.get('sign-key-sha3-384')} of ${authority}, up to a root account key`, {
    metadata: {
      type: `${mediaType}.${main.type}`,
      name: place ? nameOfPlace(place) : main.type,
      version: main.headers.get('revision') ?? '0',
      vendor: authority,
      author: authority,
    },
    vouchedBy: unique.slice(0, 20),
    provides: assertions.flatMap((assertion) => {
      const at = placeOf(assertion);
      if (!at) return [];
      return [offerWithValue({ scope: `${assertionKind}:${nameOfPlace(at)}`, kind: assertionKind }, assertions)];
    }),
    annotations: singleLineHeaders(main),
  });
}

/** What an assertion says in one line each. */
export function singleLineHeaders({ headers }: Assertion): Record<string, string> {
  const single = [...headers].filter(([, value]) => !value.includes('\n') && !value.startsWith('  '));
  return Object.fromEntries(single.map(([name, value]) => [name, value.slice(0, 300)]));
}
