import { createHash } from 'node:crypto';
import { createSnapKey, type SnapKey, signAssertion } from './snap-assertions.js';

/** Headers that differ from the usual; undefined leaves one out. */
export type HeaderChange = Readonly<Record<string, string | undefined>>;

/** A snap that a store has, and what is odd about its assertions. */
export interface SnapStoreInput {
  readonly root: SnapKey;
  /** The store's own key, signed by the root key. */
  readonly key: SnapKey;
  readonly snap: Uint8Array;
  readonly snapId: string;
  readonly name: string;
  readonly revision: string;
  readonly change?: { readonly [Type in 'root' | 'key' | 'account' | 'declaration' | 'revision']?: HeaderChange };
  /** Who signs the snap's revision. Default the store's key. */
  readonly signer?: SnapKey;
}

/** Media type of assertions. */
export const assertionType = 'application/x.ubuntu.assertion';

/** base64url of the sha3-384, as assertions name bytes. */
export function snapDigest(bytes: Uint8Array): string {
  return createHash('sha3-384').update(bytes).digest('base64url');
}

/** Keys for a test file: making them takes longer than using them. */
export function createSnapKeys(): { readonly root: SnapKey; readonly key: SnapKey; readonly stranger: SnapKey } {
  return { root: createSnapKey(), key: createSnapKey(), stranger: createSnapKey() };
}

/** All assertions of a snap as texts, by their path below the store's API. */
export function buildSnapAssertions(input: SnapStoreInput): Record<string, string> {
  const { root, key, snap, snapId, change = {}, signer = key } = input;
  const timestamp = '2025-07-01T12:00:00.000000Z';
  const authority = { 'authority-id': 'root-authority' };
  const accountKey = (one: SnapKey, name: string, more: HeaderChange = {}) =>
    signAssertion(
      {
        type: 'account-key',
        headers: {
          ...authority,
          'public-key-sha3-384': one.id,
          'account-id': 'root-authority',
          name,
          since: '2016-04-01T00:00:00.0Z',
          ...more,
        },
        body: one.body,
      },
      root,
    );
  const digest = snapDigest(snap);
  return {
    [`v2/assertions/account-key/${root.id}`]: accountKey(root, 'root', change.root),
    [`v2/assertions/account-key/${key.id}`]: accountKey(key, 'store', { revision: '2', ...change.key }),
    'v2/assertions/account/publisher1': signAssertion(
      {
        type: 'account',
        headers: {
          ...authority,
          'account-id': 'publisher1',
          'display-name': 'A Publisher',
          timestamp,
          username: 'publisher',
          validation: 'verified',
          ...change.account,
        },
      },
      key,
    ),
    [`v2/assertions/snap-declaration/16/${snapId}`]: signAssertion(
      {
        type: 'snap-declaration',
        headers: {
          format: '1',
          ...authority,
          revision: '3',
          series: '16',
          'snap-id': snapId,
          'publisher-id': 'publisher1',
          'snap-name': input.name,
          timestamp,
          plugs: '\n  network:\n    allow-auto-connection: true',
          ...change.declaration,
        },
      },
      key,
    ),
    [`v2/assertions/snap-revision/${digest}`]: signAssertion(
      {
        type: 'snap-revision',
        headers: {
          ...authority,
          'snap-sha3-384': digest,
          'developer-id': 'publisher1',
          'snap-id': snapId,
          'snap-revision': input.revision,
          'snap-size': String(snap.length),
          timestamp,
          ...change.revision,
        },
      },
      signer,
    ),
  };
}
