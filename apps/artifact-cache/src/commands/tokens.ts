import { randomBytes } from 'node:crypto';
import type { CachePrincipal, CredentialKind } from '@waybill/cache-store';
import { ArtifactCacheError } from '../errors.js';
import { table } from '../output/table.js';
import { tokenDigest } from '../serving/create-serving.js';
import {
  type CommandContext,
  type CommandResult,
  checkPrincipalName,
  operator,
  parseExpiry,
  parseGrant,
  usage,
  withCache,
} from './command.js';

/** Options of commands that grant. */
export interface GrantOptions {
  readonly config?: string | undefined;
  readonly grant: readonly string[];
  readonly expires?: string | undefined;
  readonly comment?: string | undefined;
}

/** What all credentials of a principal have beside the credential. @throws ArtifactCacheError SERVER_USAGE */
export function grantedTo(name: string, options: GrantOptions) {
  const grants = options.grant.map(parseGrant);
  if (grants.length === 0) throw usage(`${name} would get no rights`, 'add e.g. --grant main=write');
  return {
    id: checkPrincipalName(name),
    grants,
    expiresAt: parseExpiry(options.expires),
    comment: options.comment?.slice(0, 200),
  };
}

/** 256 bits; the prefix lets scanners of secrets recognise one that was published by mistake. */
function newToken(): string {
  return `wbc_${randomBytes(32).toString('base64url')}`;
}

/** Makes a token and shows it; only its digest is kept. */
export async function createToken(
  context: CommandContext,
  name: string,
  options: GrantOptions,
): Promise<CommandResult> {
  const granted = grantedTo(name, options);
  const token = newToken();
  return await withCache(context, options.config, async ({ store }) => {
    const credential = { kind: 'token', value: tokenDigest(token) } as const;
    const added = await store.principals.add({ ...granted, credential }, operator());
    return {
      lines: [`Token of ${name} for ${grantsText(added)}; it is not shown again:`, '', `  ${token}`],
      value: { ...principalDocument(added), token },
    };
  });
}

/** Everybody with one of these kinds of credentials. */
export async function listPrincipals(
  context: CommandContext,
  config: string | undefined,
  kinds: readonly CredentialKind[],
): Promise<CommandResult> {
  return await withCache(context, config, async ({ store }) => {
    const found = (await store.principals.list()).filter(({ credential }) => kinds.includes(credential.kind));
    const rows = found.map((principal) => [
      principal.id,
      principal.credential.kind,
      grantsText(principal),
      principal.createdAt.toISOString().slice(0, 10),
      principal.expiresAt?.toISOString().slice(0, 10) ?? 'never',
      principal.comment ?? '',
    ]);
    return {
      lines: table(['Name', 'By', 'Rights', 'Since', 'Expires', 'Comment'], rows, 'Nobody yet.'),
      value: { principals: found.map(principalDocument) },
    };
  });
}

/** Takes all rights away, at once on all servers. @throws ArtifactCacheError SERVER_PRINCIPAL_UNKNOWN */
export async function removePrincipal(
  context: CommandContext,
  config: string | undefined,
  name: string,
  kinds: readonly CredentialKind[],
): Promise<CommandResult> {
  return await withCache(context, config, async ({ store }) => {
    const found = await store.principals.get(name);
    const isThere = found !== undefined && kinds.includes(found.credential.kind);
    if (!isThere || !(await store.principals.remove(name, operator()))) {
      throw new ArtifactCacheError(
        'SERVER_PRINCIPAL_UNKNOWN',
        `there is no ${kinds.join(' or ')} of ${JSON.stringify(name)}`,
        {
          hint: 'artifact-cache token list and keys list show who there is',
        },
      );
    }
    return { lines: [`Removed ${name}; it holds for the next request.`], value: { removed: name } };
  });
}

export function principalDocument({ id, credential, grants, createdAt, expiresAt, comment }: CachePrincipal) {
  const { kind, value } = credential;
  return {
    name: id,
    by: kind,
    // The digest of a token helps nobody but those who want to find the token.
    ...(kind === 'token' ? {} : { fingerprint: value }),
    grants,
    'created-at': createdAt.toISOString(),
    ...(expiresAt ? { 'expires-at': expiresAt.toISOString() } : {}),
    ...(comment ? { comment } : {}),
  };
}

export function grantsText({ grants }: Pick<CachePrincipal, 'grants'>): string {
  return grants.map(({ namespace, right }) => `${namespace}=${right}`).join(' ');
}
