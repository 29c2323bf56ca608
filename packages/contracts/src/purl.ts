import { PackageURL } from 'packageurl-js';
import { ContractError } from './errors.js';

/** Parts of a package URL. */
export interface PurlParts {
  readonly type: string;
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly version?: string | undefined;
  readonly qualifiers?: Readonly<Record<string, string>> | undefined;
}

/**
 * Canonical package URL text.
 * @throws ContractError CONTRACT_PURL_INVALID
 * @see https://github.com/package-url/purl-spec
 */
export function formatPurl(parts: PurlParts): string {
  try {
    const { type, namespace, name, version, qualifiers } = parts;
    return new PackageURL(type, namespace, name, version, qualifiers && { ...qualifiers }, undefined).toString();
  } catch (cause) {
    throw new ContractError('CONTRACT_PURL_INVALID', `cannot make a package URL of ${JSON.stringify(parts)}`, {
      cause,
    });
  }
}

/**
 * Parses package URL text.
 * @throws ContractError CONTRACT_PURL_INVALID
 */
export function parsePurl(text: string): PurlParts {
  try {
    const purl = PackageURL.fromString(text);
    return {
      type: purl.type,
      name: purl.name,
      namespace: purl.namespace ?? undefined,
      version: purl.version ?? undefined,
      qualifiers: purl.qualifiers ?? undefined,
    };
  } catch (cause) {
    throw new ContractError('CONTRACT_PURL_INVALID', `not a package URL: ${JSON.stringify(text.slice(0, 200))}`, {
      cause,
    });
  }
}
