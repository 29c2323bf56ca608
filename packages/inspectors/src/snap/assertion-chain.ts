import { createHash } from 'node:crypto';
import type { InspectionContext, VouchLink } from '@waybill/contracts';
import {
  type Assertion,
  AssertionError,
  assertionBytes,
  headerOf,
  parseAssertion,
  parseAssertions,
  quote,
} from './assertion.js';
import { type AssertionPlace, assertionUrl, nameOfPlace, placeOf } from './assertion-place.js';
import { type AccountKey, checkSignature, readAccountKey, timeOf } from './assertion-signature.js';
import type { SnapStore } from './snap-store.js';

/** Id of the inspector that assertions are recorded under. */
export const assertionKind = 'snap.assertion';

/** Clocks may be so far apart. */
const skewMs = 5 * 60_000;
/** From a root key to the key of a store there are one or two steps. */
const maxDepth = 4;

/** Types that only the account of a root key may make. */
const rootOnly = new Set(['account', 'account-key', 'snap-declaration', 'snap-revision']);

/** An assertion whose signatures are right up to a root key. */
export interface VerifiedAssertion {
  readonly assertion: Assertion;
  /** Of the answer that it came in. */
  readonly sha256: string;
  /** Who signed it. */
  readonly signer: VouchLink;
}

/**
 * Checks assertions up to the configured root account keys. Made for each inspection: a key that one session has seen may be
 * revoked when the next one looks, and each report has all that its verdicts rest on.
 */
export interface AssertionChain {
  /** @throws AssertionError */
  verify(assertion: Assertion, sha256: string, asked: AssertionQuestion): Promise<VerifiedAssertion>;
  /** An assertion that the session has, or that the store gives, verified. @throws AssertionError */
  fetch(place: AssertionPlace, asked: AssertionQuestion): Promise<VerifiedAssertion>;
}

export interface AssertionQuestion {
  readonly context: InspectionContext;
  /** Assertions that came along: keys are looked for among them first. */
  readonly beside?: readonly Assertion[];
  readonly besideSha256?: string;
}

interface Signing {
  readonly key: AccountKey;
  readonly link: VouchLink;
}

export function createAssertionChain(store: SnapStore): AssertionChain {
  const roots = new Set(store.rootKeys.map((text) => text.trim()).filter((text) => !text.includes('\n')));
  const given = new Map<string, Assertion>();
  const fault = readRoots(store.rootKeys, roots, given);
  const keys = new Map<string, Signing>();

  async function verify(assertion: Assertion, sha256: string, asked: AssertionQuestion, depth = 0) {
    if (fault) throw fault;
    const signing = await keyOf(headerOf(assertion, 'sign-key-sha3-384'), asked, depth);
    const authority = headerOf(assertion, 'authority-id');
    if (signing.key.accountId !== authority) {
      throw new AssertionError(
        `the ${assertion.type} of ${quote(authority)} is signed by ${quote(signing.key.accountId)}`,
      );
    }
    if (rootOnly.has(assertion.type) && !(await isRootAccount(authority, asked, depth))) {
      throw new AssertionError(`the ${assertion.type} is of ${quote(authority)}, which has no root key`);
    }
    checkTimes(assertion, signing.key, asked.context.now);
    await checkSignature(assertion, signing.key);
    return { assertion, sha256, signer: signing.link };
  }

  async function keyOf(id: string, asked: AssertionQuestion, depth: number): Promise<Signing> {
    const known = keys.get(id);
    if (known) return known;
    if (depth > maxDepth) throw new AssertionError(`more than ${maxDepth} keys between the assertion and a root key`);
    const place = { type: 'account-key', key: [id] };
    const { assertion, sha256 } = await find(place, asked);
    const key = await readAccountKey(assertion);
    if (key.id !== id) throw new AssertionError(`asked for the key ${quote(id)}, found ${key.id}`);
    let link: VouchLink;
    if (roots.has(id)) {
      // Nobody above it stands for a root key: its digest is in the configuration, and what it says of itself it signs.
      if (headerOf(assertion, 'sign-key-sha3-384') !== id)
        throw new AssertionError('a root key that another one signed');
      await checkSignature(assertion, key);
      const hex = Buffer.from(id, 'base64url').toString('hex').toUpperCase();
      link = { kind: 'key', id: hex, name: `root account key ${id}` };
    } else {
      if (headerOf(assertion, 'sign-key-sha3-384') === id)
        throw new AssertionError(`the key ${id} signed itself and is no configured root key`);
      await verify(assertion, sha256, asked, depth + 1);
      link = { kind: 'artifact', sha256, inspector: assertionKind, name: nameOfPlace(place) };
    }
    const signing = { key, link };
    keys.set(id, signing);
    return signing;
  }

  async function isRootAccount(account: string, asked: AssertionQuestion, depth: number): Promise<boolean> {
    for (const id of roots) {
      // One root key that the store does not have must not stand in the way of another.
      const root = await keyOf(id, asked, depth).catch((error: unknown) => {
        if (!(error instanceof AssertionError)) throw error;
        return undefined;
      });
      if (root?.key.accountId === account) return true;
    }
    return false;
  }

  async function find(place: AssertionPlace, { context, beside = [], besideSha256 = '' }: AssertionQuestion) {
    const isWanted = (assertion: Assertion) => {
      const found = placeOf(assertion);
      return found !== undefined && nameOfPlace(found) === nameOfPlace(place);
    };
    const root = place.type === 'account-key' ? given.get(place.key[0] ?? '') : undefined;
    if (root) return { assertion: root, sha256: '' };
    const near = beside.find(isWanted);
    if (near) return { assertion: near, sha256: besideSha256 };
    const catalogs = await context.catalogs<readonly Assertion[]>(`${assertionKind}:${nameOfPlace(place)}`);
    const newest = catalogs
      .flatMap(({ ref, value }) => value.filter(isWanted).map((assertion) => ({ assertion, sha256: ref.sha256 })))
      .sort((a, b) => revisionOf(b.assertion) - revisionOf(a.assertion))[0];
    if (newest) return newest;
    const bytes = await context.companion(
      assertionUrl(store.url, place),
      assertionBytes,
      'application/x.ubuntu.assertion',
    );
    if (!bytes) throw new AssertionError(`the store has no ${nameOfPlace(place)}`);
    const assertion = parseAssertion(bytes, place.type);
    if (!isWanted(assertion)) throw new AssertionError(`asked for ${nameOfPlace(place)}, found another one`);
    return { assertion, sha256: createHash('sha256').update(bytes).digest('hex') };
  }

  return {
    verify: (assertion, sha256, asked) => verify(assertion, sha256, asked),
    async fetch(place, asked) {
      const { assertion, sha256 } = await find(place, asked);
      return verify(assertion, sha256, asked);
    },
  };
}

/** Whole assertions among the configured root keys; a fault counts for all, so that nothing is trusted by half. */
function readRoots(
  texts: readonly string[],
  roots: Set<string>,
  given: Map<string, Assertion>,
): AssertionError | undefined {
  if (texts.length === 0) return new AssertionError('no root account key is configured (snap.root-account-keys)');
  for (const text of texts.filter((one) => one.trim().includes('\n'))) {
    try {
      for (const assertion of parseAssertions(Buffer.from(text))) {
        const id = headerOf(assertion, 'public-key-sha3-384');
        roots.add(id);
        given.set(id, assertion);
      }
    } catch (error) {
      return new AssertionError(`snap.root-account-keys: ${(error as Error).message}`);
    }
  }
  return undefined;
}

/** The key must have been valid when the assertion says it was made, and be so now. */
function checkTimes(assertion: Assertion, key: AccountKey, now: Date): void {
  const isValid = (ms: number, skew: number) =>
    ms + skew >= key.sinceMs && (key.untilMs === undefined || ms - skew < key.untilMs);
  if (!isValid(now.getTime(), 0)) {
    throw new AssertionError(
      `the key ${key.id} that signed the ${assertion.type} is not valid now: it has expired, was revoked or is not yet valid`,
    );
  }
  const timestamp = assertion.headers.get('timestamp');
  if (timestamp === undefined) return;
  const madeMs = timeOf(timestamp, 'timestamp');
  if (!isValid(madeMs, 0)) throw new AssertionError(`the key ${key.id} was not valid at ${quote(timestamp)}`);
  if (madeMs > now.getTime() + skewMs)
    throw new AssertionError(`the ${assertion.type} is of the future: ${quote(timestamp)}`);
}

function revisionOf({ headers }: Assertion): number {
  const revision = Number(headers.get('revision') ?? '0');
  return Number.isSafeInteger(revision) ? revision : 0;
}
