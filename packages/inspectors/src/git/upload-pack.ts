import type {
  ArtifactInspection,
  ArtifactView,
  InspectionContext,
  InspectorsConfig,
  JsonObject,
} from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest, unknownRequest } from '../opinions.js';
import { inspectFetch } from './fetch-inspection.js';
import { packParser } from './pack-catalog.js';
import { GitFormatError } from './pkt-line.js';
import { readLsRefs, refsKind, refsParser, refsScope } from './refs.js';
import { type AllowedRepository, repositoryMatcher } from './repository-url.js';
import { parseUploadRequest, type UploadRequest } from './upload-request.js';

const service = 'git-upload-pack';
const requestType = 'application/x-git-upload-pack-request';
const resultType = 'application/x-git-upload-pack-result';

interface Expected {
  readonly repository: AllowedRepository;
  readonly request: UploadRequest;
}

/**
 * `git-upload-pack` of repositories that `git.urls` allows: `ls-refs` and fetches of protocol 0, 1 and 2, full, shallow, partial and
 * incremental. Every object id that the client wants must be in the pack that comes. docs/inspectors/git.upload-pack.md
 */
export function gitUploadPack(config: InspectorsConfig): Inspector<Expected> {
  const allowed = repositoryMatcher(config);
  return {
    id: 'git.upload-pack',
    catalogs: [refsParser, packParser],
    inspectRequest(view) {
      const { pathname, host } = view.url;
      if (pathname.endsWith('/git-receive-pack')) {
        return rejectedRequest('a build fetches, it does not push (git-receive-pack)', { server: host });
      }
      if (!pathname.endsWith(`/${service}`) || view.method !== 'POST') return undefined;
      const type = view.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
      if (type !== requestType) return undefined;
      const repository = allowed(view, service);
      if (!repository) return unknownRequest('a git repository that no pattern of git.urls matches', { server: host });
      const basics = { server: host, repository: repository.url, project: repository.name };
      if (!view.body) {
        return rejectedRequest('the request body is larger than what is inspected', {
          ...basics,
          hint: 'raise limits.inspected-request-bytes, or clone afresh: what makes it large are the commits that the client has',
        });
      }
      let request: UploadRequest;
      try {
        request = parseUploadRequest(view.body);
      } catch (error) {
        if (!(error instanceof GitFormatError)) throw error;
        return rejectedRequest(`not a request to ${service}: ${error.message}`, basics);
      }
      const notes = { ...basics, ...describe(request) };
      if (request.command === 'other')
        return unknownRequest(`the command ${JSON.stringify(request.name.slice(0, 100))} is not supported`, notes);
      const inspection = pending(`${request.command} of ${repository.name}`, { repository, request }, notes);
      return { ...inspection, needs: ['method', 'body'] };
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      const declared = artifact.responseHeaders.get('content-type')?.split(';')[0]?.trim().toLowerCase();
      if (declared !== resultType) return rejected(`expected ${resultType}, found ${declared || 'no content type'}`);
      try {
        return await inspect(artifact, expected, context);
      } catch (error) {
        if (!(error instanceof GitFormatError)) throw error;
        return rejected(`${expected.request.command} of ${expected.repository.name}: ${error.message}`);
      }
    },
  };
}

async function inspect(
  artifact: ArtifactView,
  { repository, request }: Expected,
  context: InspectionContext,
): Promise<ArtifactInspection> {
  if (request.command === 'fetch') return inspectFetch({ artifact, repository, request, context });
  if (request.command === 'ls-refs') return inspectLsRefs(artifact, repository);
  const isNothing = artifact.size === 0 || Buffer.concat(await artifact.open().toArray()).toString('latin1') === '0000';
  if (!isNothing) return rejected('expected nothing in answer to an empty request');
  return approved('nothing in answer to an empty request', { vouchedBy: [repository.origin] });
}

async function inspectLsRefs(artifact: ArtifactView, repository: AllowedRepository): Promise<ArtifactInspection> {
  const found = await readLsRefs(artifact.open());
  const names = [...found.refs.keys()];
  const offer = { scope: refsScope(repository.url), kind: refsKind, attributes: { form: 'ls-refs' } };
  return approved(`${found.refs.size} refs of ${repository.name}`, {
    metadata: {
      type: 'application/x.git.upload-pack-result.ls-ref',
      name: repository.name,
      vendor: repository.host,
      description: 'git ls-refs',
    },
    vouchedBy: [repository.origin],
    provides: [offerWithValue(offer, found)],
    annotations: {
      refs: names.length,
      heads: names.filter((name) => name.startsWith('refs/heads/')).slice(0, 100),
      tags: names.filter((name) => name.startsWith('refs/tags/')).slice(0, 100),
    },
  });
}

/** Annotations of specs/fetch-service.md §5.6; lists are cut, their lengths are not. */
function describe(request: UploadRequest): JsonObject {
  const common = {
    protocol: request.version,
    command: request.command === 'other' ? request.name.slice(0, 100) : request.command,
    'client-request': request.lines.slice(0, 200).map((line) => line.slice(0, 300)),
  };
  if (request.command !== 'fetch') return common;
  return {
    ...common,
    'is-shallow': request.isShallow,
    'num-wants': request.wants.length + request.wantRefs.length,
    wants: request.wants.slice(0, 200),
    'want-refs': request.wantRefs.slice(0, 200),
    'num-haves': request.haves.length,
    ...(request.filter !== undefined && { filter: request.filter.slice(0, 300) }),
  };
}
