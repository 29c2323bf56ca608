/** A path that ends as one protocol's do; what is before it names the namespace. */
export interface PrefixedPath {
  readonly protocol: 'ac' | 'cas' | 'nx';
  readonly namespace: string;
  /** As it came, percent-decoded, not checked. */
  readonly key: string;
}

/** Namespace of clients that name none. */
export const defaultNamespace = 'main';

/**
 * Reads `/{prefix/}ac/{hash}`, `/{prefix/}cas/{hash}` and `/{prefix/}v1/cache/{hash}`; undefined for anything else.
 * @param url path and query as they came
 */
export function prefixedPath(url: string): PrefixedPath | undefined {
  const segments = pathSegments(url);
  const [before, last] = segments?.slice(-2) ?? [];
  if (!segments || before === undefined || last === undefined || last === '') return undefined;
  if (before === 'ac' || before === 'cas') {
    return { protocol: before, namespace: segments.slice(0, -2).join('/') || defaultNamespace, key: last };
  }
  if (before === 'cache' && segments.at(-3) === 'v1') {
    return { protocol: 'nx', namespace: segments.slice(0, -3).join('/') || defaultNamespace, key: last };
  }
  return undefined;
}

/** The segments of a path, each decoded by itself, so that `%2F` divides nothing; undefined when they cannot be decoded. */
export function pathSegments(url: string): string[] | undefined {
  const end = url.search(/[?#]/);
  const path = end < 0 ? url : url.slice(0, end);
  try {
    return path.replace(/^\//, '').split('/').map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
