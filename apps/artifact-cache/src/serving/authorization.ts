/** What a request showed. */
export type Shown =
  | { readonly kind: 'none' }
  /** A secret: a token of ours, or a JWT of an identity provider. */
  | { readonly kind: 'secret'; readonly secret: string }
  /** Something that cannot be read. */
  | { readonly kind: 'unreadable'; readonly reason: string };

/** Longer ones are refused unread: tokens have 48 characters, JWTs of identity providers some thousand. */
const maxSecret = 16 * 1024;

/**
 * The secret of `authorization: Bearer <token>` or `Basic <user:token>`, any user name, or of an authority
 * `user:token@host` as Bazel sends it over gRPC. The header decides when there are both. specs/artifact-cache.md §4.6
 */
export function shownSecret(authorization: string | undefined, authority: string | undefined): Shown {
  if (authorization !== undefined) return ofHeader(authorization);
  const at = authority?.lastIndexOf('@') ?? -1;
  if (authority === undefined || at < 0) return { kind: 'none' };
  return ofPair(decodePercent(authority.slice(0, at)));
}

function ofHeader(text: string): Shown {
  const [, scheme = '', value = ''] = /^\s*([A-Za-z]+) +(\S+)\s*$/.exec(text) ?? [];
  if (value.length > maxSecret) return unreadable('the credentials are too long');
  if (/^bearer$/i.test(scheme)) return { kind: 'secret', secret: value };
  if (!/^basic$/i.test(scheme)) return unreadable('expected Bearer or Basic credentials');
  if (!/^[A-Za-z0-9+/_-]*=*$/.test(value)) return unreadable('the Basic credentials are no base64');
  return ofPair(Buffer.from(value, 'base64').toString('utf8'));
}

function ofPair(pair: string | undefined): Shown {
  const colon = pair?.indexOf(':') ?? -1;
  if (pair === undefined || pair.length > maxSecret) return unreadable('the credentials cannot be read');
  // Some clients put the token where the user name goes and send no password.
  const secret = colon < 0 ? pair : pair.slice(colon + 1) || pair.slice(0, colon);
  return secret ? { kind: 'secret', secret } : unreadable('the credentials are empty');
}

function decodePercent(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function unreadable(reason: string): Shown {
  return { kind: 'unreadable', reason };
}
