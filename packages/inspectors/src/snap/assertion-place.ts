import type { Assertion } from './assertion.js';

/** Types that a snap's chain is made of, and the headers that name one of them. */
const primaryKeys: Readonly<Record<string, readonly string[]>> = {
  account: ['account-id'],
  'account-key': ['public-key-sha3-384'],
  'snap-declaration': ['series', 'snap-id'],
  'snap-revision': ['snap-sha3-384'],
};

/** What an assertion is asked for by. */
export interface AssertionPlace {
  readonly type: string;
  readonly key: readonly string[];
}

const path = /^v2\/assertions\/([a-z-]+)((?:\/[A-Za-z0-9_-]{1,128}){1,2})$/;

/** Reads a path below the store; undefined for everything that is no assertion of a chain. */
export function parseAssertionPath(text: string): AssertionPlace | undefined {
  const [, type = '', rest = ''] = path.exec(text) ?? [];
  const names = Object.hasOwn(primaryKeys, type) ? primaryKeys[type] : undefined;
  const key = rest.split('/').slice(1);
  return names?.length === key.length ? { type, key } : undefined;
}

/** @param store with a closing slash */
export function assertionUrl(store: URL, { type, key }: AssertionPlace): URL {
  return new URL(`v2/assertions/${type}/${key.map(encodeURIComponent).join('/')}`, store);
}

/** What an assertion itself says it is; undefined for types that no chain is made of. */
export function placeOf({ type, headers }: Assertion): AssertionPlace | undefined {
  const names = Object.hasOwn(primaryKeys, type) ? primaryKeys[type] : undefined;
  return names && { type, key: names.map((name) => headers.get(name) ?? '') };
}

/** Scope of catalogs, and a name for people. */
export function nameOfPlace({ type, key }: AssertionPlace): string {
  return `${type} ${key.join('/')}`;
}
