import type { InspectorsConfig, RequestInspection } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest, unknownRequest } from '../opinions.js';
import { GitFormatError } from './pkt-line.js';
import { type Advertisement, readAdvertisement, refsKind, refsParser, refsScope } from './refs.js';
import { type AllowedRepository, repositoryMatcher } from './repository-url.js';

const service = 'info/refs';
/** As git itself asks; anything more would carry something out. */
const query = '?service=git-upload-pack';
const contentType = 'application/x-git-upload-pack-advertisement';

/**
 * `info/refs?service=git-upload-pack` of repositories that `git.urls` allows, protocol 0, 1 and 2.
 * docs/inspectors/git.smart-query.md
 */
export function gitSmartQuery(config: InspectorsConfig): Inspector<AllowedRepository> {
  const allowed = repositoryMatcher(config);
  return {
    id: 'git.smart-query',
    catalogs: [refsParser],
    inspectRequest(request): RequestInspection<AllowedRepository> | undefined {
      if (!request.url.pathname.endsWith(`/${service}`)) return undefined;
      const name = request.url.searchParams.get('service');
      const notes = {
        server: request.url.host,
        protocol: protocolOf(request.headers.get('git-protocol')),
        service: name ?? '',
      };
      if (name === 'git-receive-pack')
        return rejectedRequest('a build fetches, it does not push (git-receive-pack)', notes);
      const repository = allowed(request, service);
      if (name !== 'git-upload-pack') {
        if (!repository) return undefined;
        return unknownRequest('the dumb http protocol is not supported: nothing in it can be checked', notes);
      }
      if (!repository) return unknownRequest('a git repository that no pattern of git.urls matches', notes);
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`expected GET of ${service}, found ${request.method}`, notes);
      }
      const inspection = pending(`refs of ${repository.name}, allowed by ${originId(repository)}`, repository, notes);
      return request.url.search === query ? { ...inspection, needs: ['query'] } : inspection;
    },
    async inspectArtifact(artifact, repository) {
      if (!repository) return undefined;
      const declared = artifact.responseHeaders.get('content-type')?.split(';')[0]?.trim().toLowerCase();
      if (declared !== contentType) {
        return rejected(`expected ${contentType}, found ${declared || 'no content type'}`, {
          hint: 'the server speaks no smart http for this URL; check it with git ls-remote',
        });
      }
      try {
        return approve(await readAdvertisement(artifact.open()), repository);
      } catch (error) {
        if (!(error instanceof GitFormatError)) throw error;
        return rejected(`not an advertisement of git-upload-pack: ${error.message}`);
      }
    },
  };
}

function approve(found: Advertisement, repository: AllowedRepository) {
  const offer = { scope: refsScope(repository.url), kind: refsKind, attributes: { form: 'advertisement' } };
  const { refs, peeled } = found;
  return approved(`advertisement of ${repository.name} in protocol ${found.version}`, {
    metadata: {
      type: 'application/x.git.upload-pack-advertisement',
      name: repository.name,
      vendor: repository.host,
      description: `git upload-pack advertisement, protocol ${found.version}`,
    },
    vouchedBy: [repository.origin],
    provides: found.version === '2' ? [] : [offerWithValue(offer, { refs, peeled })],
    annotations: {
      version: found.version,
      'server-response': found.capabilities.slice(0, 100).map((capability) => capability.slice(0, 300)),
      refs: refs.size,
    },
  });
}

function originId({ origin }: AllowedRepository): string {
  return origin.kind === 'origin' ? origin.id : '';
}

function protocolOf(header: string | undefined): string {
  return /(?:^|:)version=(\d+)/.exec(header ?? '')?.[1] ?? '0';
}
