import { type ArtifactInspection, formatPurl, type JsonObject, type VouchLink } from '@waybill/contracts';
import { approved } from '../opinions.js';
import type { ListedWant } from './listed-wants.js';
import { packAttributes, packKind, packScope } from './pack-catalog.js';
import type { AllowedRepository } from './repository-url.js';
import type { FetchRequest } from './upload-request.js';

/** Type of answers to a fetch in reports. */
export const fetchResultType = 'application/x.git.upload-pack-result.fetch';

/** More links than this say no more. */
const namedInChain = 20;

/** What was found out about a fetch whose pack holds all that was wanted. */
export interface FetchProof {
  readonly wants: readonly string[];
  readonly listed: readonly ListedWant[];
  readonly shallow: readonly string[];
  readonly annotations: JsonObject;
}

/** Says what was fetched, and who stands for it. */
export function approveFetch(
  { repository, request }: { readonly repository: AllowedRepository; readonly request: FetchRequest },
  proof: FetchProof,
): ArtifactInspection {
  const { wants, listed, shallow } = proof;
  const main = mainWant(wants, listed);
  const version = tagOf(main, listed) ?? main;
  const unlisted = wants.filter((oid) => !listed.some((want) => want.oid === oid));
  const base = repository.url.replace(/^(https:\/\/[^/]+?):443\//, '$1/');
  return approved(
    `${wants.length === 1 ? 'the wanted object is' : `all ${wants.length} wanted objects are`} in the pack`,
    {
      metadata: {
        type: fetchResultType,
        name: repository.name,
        version,
        vendor: repository.host,
        description: `git fetch${request.isShallow ? ', shallow' : ''}`,
        'content-id': main,
        purl: formatPurl({
          type: 'generic',
          name: repository.name,
          version,
          qualifiers: { vcs_url: `git+${base}@${main}` },
        }),
      },
      vouchedBy: [repository.origin, ...links(wants, listed)],
      provides: [{ scope: packScope(repository.url), kind: packKind, attributes: packAttributes(request, shallow) }],
      annotations: {
        ...proof.annotations,
        wants: wants.slice(0, 200),
        heads: names(listed, 'refs/heads/'),
        tags: names(listed, 'refs/tags/'),
        ...(unlisted.length > 0 && { 'not-advertised': unlisted.slice(0, 200) }),
        ...(shallow.length > 0 && { shallow: shallow.slice(0, 200) }),
      },
    },
  );
}

/** The lists of refs in which wants stand, then the ids themselves. */
function links(wants: readonly string[], listed: readonly ListedWant[]): VouchLink[] {
  const lists = new Map<string, VouchLink>(listed.map(({ list }) => [list.sha256, list]));
  const ids = wants
    .slice(0, namedInChain)
    .map((oid): VouchLink => ({ kind: 'digest', id: `git:${oid}`, name: 'object id wanted by the client' }));
  return [...[...lists.values()].slice(0, namedInChain), ...ids];
}

/** What HEAD points to when it was wanted, else the first want. */
export function mainWant(wants: readonly string[], listed: readonly ListedWant[]): string {
  return listed.find(({ refs }) => refs.includes('HEAD'))?.oid ?? (wants[0] as string);
}

/** A tag that points to the object. */
export function tagOf(oid: string, listed: readonly ListedWant[]): string | undefined {
  const tags = listed
    .filter((want) => want.oid === oid)
    .flatMap(({ refs }) => refs.filter((ref) => ref.startsWith('refs/tags/')));
  return tags[0]?.slice('refs/tags/'.length);
}

function names(listed: readonly ListedWant[], prefix: string): string[] {
  return [...new Set(listed.flatMap(({ refs }) => refs.filter((ref) => ref.startsWith(prefix))))].slice(0, 100);
}
