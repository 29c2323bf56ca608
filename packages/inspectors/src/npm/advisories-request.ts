import { isVersion } from './registry-path.js';

/** Members of the payload that npm 6, pnpm and yarn send to the older endpoints. */
const auditMembers = new Set(['name', 'version', 'install', 'remove', 'metadata', 'requires', 'dependencies', 'dev']);
const metadataBytes = 1024;

/**
 * Why a body is no question for advisories; undefined when it is one: names of packages with versions (bulk), or the tree of
 * a project (the older endpoints). What goes to the registry with POST must not be whatever a build likes to tell it.
 */
export function advisoriesRequestFault(body: Uint8Array | undefined, isBulk: boolean): string | undefined {
  if (body === undefined) return 'the request has no body that can be inspected';
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return 'the request body is not JSON';
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return 'the request body is not an object';
  return isBulk ? bulkFault(parsed) : auditFault(parsed);
}

function bulkFault(body: object): string | undefined {
  for (const [name, versions] of Object.entries(body)) {
    if (!isPackageName(name)) return `the request names ${quote(name)}, which is no package`;
    if (!Array.isArray(versions) || !versions.every((version) => typeof version === 'string' && isVersion(version)))
      return `the request names something else than versions of ${quote(name)}`;
  }
  return undefined;
}

function auditFault(body: object): string | undefined {
  const stranger = Object.keys(body).find((key) => !auditMembers.has(key));
  if (stranger !== undefined) return `the request has the member ${quote(stranger)}, which audits do not have`;
  const { metadata = {} } = body as { readonly metadata?: unknown };
  return JSON.stringify(metadata).length > metadataBytes
    ? `the member metadata has more than ${metadataBytes} bytes`
    : undefined;
}

/** Old names have upper case; a scope is a name of its own. */
function isPackageName(name: string): boolean {
  return name.length <= 214 && /^(?:@[\w.~!'()*-]+\/)?[\w.~!'()*-]+$/.test(name);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
