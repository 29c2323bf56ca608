import type { InspectorsConfig, RequestView, VouchLink } from '@waybill/contracts';
import { compileUrlGlob, normalizeUrl, type UrlGlob } from '@waybill/policy';
import { globVariants } from '../url-globs.js';

/** The configured snap store. */
export interface SnapStore {
  readonly host: string;
  /** With a closing slash. */
  readonly url: URL;
  readonly origin: VouchLink;
  /** The path of a URL below the store, without its query; undefined elsewhere. */
  pathOf(request: RequestView): string | undefined;
  isDownload(request: RequestView): boolean;
  readonly rootKeys: readonly string[];
  readonly filters: readonly { readonly name: string; readonly value: readonly string[] }[];
}

/**
 * The store of section `snap`; undefined without its `store`, which allows nothing.
 * @throws PolicyError POLICY_GLOB_INVALID
 */
export function snapStore({ snap }: InspectorsConfig): SnapStore | undefined {
  const globs: readonly UrlGlob[] = (snap?.downloads ?? []).flatMap(globVariants).map(compileUrlGlob);
  if (!snap?.store) return undefined;
  const url = new URL(snap.store.endsWith('/') ? snap.store : `${snap.store}/`);
  const base = normalizeUrl(url);
  const withoutQuery = (text: string) => text.split('?', 1)[0] as string;
  return {
    host: url.host,
    url,
    origin: { kind: 'origin', id: 'snap.store', name: url.host },
    pathOf({ normalizedUrl }) {
      const address = withoutQuery(normalizedUrl);
      return address.startsWith(base) ? address.slice(base.length) : undefined;
    },
    isDownload: ({ normalizedUrl }) =>
      globs.some((glob) => glob.matches(withoutQuery(normalizedUrl)) || glob.matches(normalizedUrl)),
    rootKeys: snap['root-account-keys'],
    filters: snap['snap-declaration'],
  };
}
