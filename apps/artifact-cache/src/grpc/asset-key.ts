import { invalid } from './digest.js';
import { sha256Of } from './sha256.js';

/** Name and value that tell apart what shares a URI. */
export interface QualifierShape {
  readonly name: string;
  readonly value: string;
}

const maxUris = 64;
const maxUriLength = 8192;
const maxQualifiers = 64;
/** Longer ones are kept by their hash; an index has bounds for its keys. */
const maxPlainLength = 900;

/**
 * The keys of a question's URIs, in its order. Each stands for one URI with one *set* of qualifiers: their order means nothing,
 * and a set that is larger or smaller by one is another.
 * @throws ConnectError InvalidArgument, without URIs above all: BuildStream asks that way whether the API is spoken
 */
export function assetKeys(uris: readonly string[], qualifiers: readonly QualifierShape[]): readonly string[] {
  if (uris.length === 0) throw invalid('no uris: one or more are wanted');
  if (uris.length > maxUris) throw invalid(`${uris.length} uris, at most ${maxUris} are taken`);
  const suffix = suffixOf(qualifiers);
  return [...new Set(uris.map((uri) => keyOf(uri, suffix)))];
}

/** The URI whose key was found. */
export function uriOfKey(key: string, uris: readonly string[], qualifiers: readonly QualifierShape[]): string {
  const suffix = suffixOf(qualifiers);
  return uris.find((uri) => keyOf(uri, suffix) === key) ?? '';
}

/** URIs have no blanks, so that what follows one in a key cannot come from a URI. */
function keyOf(uri: string, suffix: string): string {
  checkUri(uri);
  const plain = uri.length <= maxPlainLength ? uri : `${uri.slice(0, 200)} sha256:${sha256Of(uri)}`;
  return plain + suffix;
}

function checkUri(uri: string): void {
  if (uri.length > maxUriLength) throw invalid(`a URI of ${uri.length} characters, at most ${maxUriLength} are taken`);
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:[^\s\p{Cc}]+$/u.test(uri)) {
    throw invalid(`${JSON.stringify(uri.slice(0, 200))} is no URI: expected a scheme, a colon and no blanks`);
  }
}

function suffixOf(qualifiers: readonly QualifierShape[]): string {
  if (qualifiers.length === 0) return '';
  if (qualifiers.length > maxQualifiers) throw invalid(`${qualifiers.length} qualifiers, at most ${maxQualifiers}`);
  const values = new Map<string, string>();
  for (const { name, value } of qualifiers) {
    if (name === '') throw invalid('a qualifier without a name');
    if (values.has(name) && values.get(name) !== value) throw invalid(`two values of the qualifier ${name}`);
    values.set(name, value);
  }
  const sorted = [...values].sort(([one], [other]) => (one < other ? -1 : 1));
  return ` qualifiers:${sha256Of(JSON.stringify(sorted))}`;
}
