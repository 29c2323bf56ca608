import type { InspectorsConfig, RequestView } from '@waybill/contracts';
import { compileUrlGlob, normalizeUrl, type UrlGlob } from '@waybill/policy';
import { globVariants } from '../url-globs.js';
import { normalizeName, type PythonFile, parseFileName } from './names.js';

/** A configured index. */
export interface PipIndex {
  /** Path in the configuration: `pip.indexes.<name>`. */
  readonly id: string;
  readonly host: string;
  /** With a closing slash. */
  readonly url: URL;
  /** Normalised `url`. */
  readonly base: string;
  /** Normalised origin with a closing slash. */
  readonly origin: string;
  readonly files: readonly UrlGlob[];
}

/**
 * The configured indexes, those with the longest base first.
 * @throws PolicyError POLICY_GLOB_INVALID
 */
export function pipIndexes(config: InspectorsConfig): readonly PipIndex[] {
  return Object.entries(config.pip?.indexes ?? {})
    .map(([name, { url: text, files }]): PipIndex => {
      const url = new URL(text);
      url.search = '';
      url.hash = '';
      if (!url.pathname.endsWith('/')) url.pathname += '/';
      return {
        id: `pip.indexes.${name}`,
        host: url.host,
        url,
        base: normalizeUrl(url),
        origin: normalizeUrl(new URL('/', url)),
        files: files.flatMap(globVariants).map(compileUrlGlob),
      };
    })
    .sort((a, b) => b.base.length - a.base.length);
}

/** The index whose project page a URL is. */
export function locatePage(
  indexes: readonly PipIndex[],
  { normalizedUrl }: RequestView,
): { readonly index: PipIndex; readonly project: string } | undefined {
  const address = withoutQuery(normalizedUrl);
  const index = indexes.find(({ base }) => address.startsWith(base));
  const [, name = ''] = /^([^/]+)\/?$/.exec(address.slice(index?.base.length ?? 0)) ?? [];
  return index && /^[A-Za-z0-9]([A-Za-z0-9._-]{0,253}[A-Za-z0-9])?$/.test(name)
    ? { index, project: normalizeName(name) }
    : undefined;
}

/** A file and the indexes that may list it. */
export interface PlacedFile {
  readonly file: PythonFile;
  readonly indexes: readonly PipIndex[];
}

/** What a URL that is no page names, where some index may have files there. */
export function locateFile(indexes: readonly PipIndex[], { normalizedUrl, url }: RequestView): PlacedFile | undefined {
  const address = withoutQuery(normalizedUrl);
  const matching = indexes.filter(
    ({ origin, files }) => address.startsWith(origin) || files.some((glob) => glob.matches(address)),
  );
  const file =
    matching.length > 0 ? parseFileName(decoded(url.pathname.slice(url.pathname.lastIndexOf('/') + 1))) : undefined;
  return file && { file, indexes: matching };
}

function withoutQuery(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
