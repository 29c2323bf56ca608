import type {
  ArtifactView,
  CatalogParser,
  Digest,
  InspectionContext,
  InspectorsConfig,
  VouchLink,
} from '@waybill/contracts';
import { compileUrlGlob } from '@waybill/policy';
import { decodedDigests, hasDigest } from '../has-digest.js';
import type { Inspector } from '../inspector.js';
import { approved, pending, rejected, rejectedRequest, unknownRequest } from '../opinions.js';
import { readAtMost } from '../read-at-most.js';
import {
  type LfsBatch,
  LfsFormatError,
  type LfsObject,
  lfsBatchKind,
  lfsBatchParser,
  lfsType,
  maxAnswerBytes,
  parseLfsAnswer,
  parseLfsQuestion,
} from './lfs-batch.js';
import { type AllowedRepository, repositoryMatcher } from './repository-url.js';

const batchPath = 'info/lfs/objects/batch';
/** Where servers keep objects below their repositories. */
const objectPath = /\/((?:info|gitlab)[-/]lfs\/objects\/(?:[0-9a-f]{2}\/[0-9a-f]{2}\/)?[0-9a-f]{64}(?:\/\d{1,15})?)$/;

interface Batch {
  readonly repository: AllowedRepository;
  readonly asked: readonly LfsObject[];
}

/**
 * The batch API of git-lfs in repositories that `git.urls` allows: downloads with the basic transfer. Its answer vouches for what the
 * client asked for, by sha256. docs/inspectors/git.lfs-batch.md
 */
export function gitLfsBatch(config: InspectorsConfig): Inspector<Batch> {
  const allowed = repositoryMatcher(config);
  return {
    id: lfsBatchKind,
    catalogs: [lfsBatchParser as CatalogParser],
    inspectRequest(request) {
      const { pathname, host } = request.url;
      if (/\/info\/lfs\/(locks|verify)(\/|$)/.test(pathname) && request.method === 'POST') {
        return rejectedRequest('a build fetches, it does not push or lock (git lfs)', { server: host });
      }
      if (!pathname.endsWith(`/${batchPath}`) || request.method !== 'POST') return undefined;
      const repository = allowed(request, batchPath);
      if (!repository) return unknownRequest('a git repository that no pattern of git.urls matches', { server: host });
      const notes = { server: host, repository: repository.url, project: repository.name };
      if (!request.body) {
        return rejectedRequest('the request has no body that can be inspected', {
          ...notes,
          hint: 'raise limits.inspected-request-bytes, or fetch fewer objects at a time (git config lfs.batchSize)',
        });
      }
      try {
        const question = parseLfsQuestion(request.body);
        if (question.kind === 'refused') return rejectedRequest(question.reason, notes);
        const { objects } = question;
        const inspection = pending(
          `${objects.length} LFS objects of ${repository.name}`,
          { repository, asked: objects },
          { ...notes, 'num-objects': objects.length, objects: objects.slice(0, 200).map(({ oid }) => oid) },
        );
        return { ...inspection, needs: ['method', 'body'] };
      } catch (error) {
        if (!(error instanceof LfsFormatError)) throw error;
        return rejectedRequest(`not a question for LFS objects: it ${error.message}`, notes);
      }
    },
    async inspectArtifact(artifact, expected) {
      if (!expected) return undefined;
      const { repository, asked } = expected;
      try {
        const { objects, failed } = parseLfsAnswer(
          await readAtMost(artifact.open(), maxAnswerBytes, LfsFormatError),
          asked,
        );
        return approved(`says where ${objects.size} of ${asked.length} LFS objects of ${repository.name} are`, {
          metadata: {
            type: lfsType,
            name: repository.name,
            vendor: repository.host,
            description: 'git-lfs batch answer',
          },
          vouchedBy: [repository.origin],
          provides: [{ scope: lfsBatchKind, kind: lfsBatchKind, attributes: { project: repository.name } }],
          annotations: { objects: objects.size, ...(failed > 0 && { missing: failed }) },
        });
      } catch (error) {
        if (!(error instanceof LfsFormatError)) throw error;
        return rejected(`not an answer of git-lfs: it ${error.message}`);
      }
    },
  };
}

/** An object that a client asks for; in its URL, or else in the batch answer that named the URL. */
interface Wanted {
  readonly oid: string | undefined;
}

/** The content of LFS objects, approved when its sha256 is the id that the client asked for. docs/inspectors/git.lfs-object.md */
export function gitLfsObject(config: InspectorsConfig): Inspector<Wanted> {
  const allowed = repositoryMatcher(config);
  const elsewhere = (config.git?.lfs ?? []).map(compileUrlGlob);
  return {
    id: 'git.lfs-object',
    inspectRequest(request) {
      const { pathname, host, search } = request.url;
      const tail = objectPath.exec(pathname)?.[1];
      const isBelow = tail !== undefined && allowed(request, tail) !== undefined;
      if (!isBelow && !elsewhere.some((glob) => glob.matches(withoutQuery(request.normalizedUrl)))) return undefined;
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of an LFS object: a build fetches, it does not push`, {
          server: host,
        });
      }
      const oid = /(?:^|[/])([0-9a-f]{64})(?=$|[/])/.exec(pathname)?.[1];
      const notes = { server: host, ...(oid !== undefined && { oid }) };
      const inspection = pending('an LFS object', { oid }, notes);
      // Object stores sign their URLs in the query; the repository's own server does not.
      return search === '' || isBelow ? inspection : { ...inspection, needs: ['query'] };
    },
    async vouchedDigests({ normalizedUrl }, { oid }, context) {
      const found = await findObject(normalizedUrl, oid, context);
      return found ? [{ digests: [digestOf(found.object)], size: found.object.size, vouchedBy: found.link }] : [];
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      const found = await findObject(artifact.request.normalizedUrl, expected.oid, context);
      if (!found) {
        return rejected('no batch answer of this session names this LFS object', {
          hint: 'fetch it with git lfs in the same session, so that its batch request is seen first',
        });
      }
      const { oid, size } = found.object;
      const isIt = await isObject(artifact, found.object);
      if (!isIt) {
        return rejected(
          `expected the LFS object ${oid} of ${size} bytes, found sha256 ${artifact.digests.sha256} of ${artifact.size} bytes`,
          { hint: 'the server hands out other bytes than the pointer in the repository names: do not use them' },
        );
      }
      return approved(`the LFS object ${oid} of ${found.project}`, {
        metadata: {
          type: 'application/x.git.lfs-object',
          name: found.project,
          version: oid,
          vendor: artifact.request.url.hostname,
          description: 'git-lfs object',
          'content-id': oid,
        },
        vouchedBy: [found.link, { kind: 'digest', id: `sha256:${oid}`, name: 'LFS object id wanted by the client' }],
      });
    },
  };
}

interface FoundObject {
  readonly object: LfsObject;
  readonly link: VouchLink;
  readonly project: string;
}

/** The batch answer that named the URL, newest first; of a URL with an object's id in it, the answer that names the id. */
async function findObject(
  url: string,
  oid: string | undefined,
  context: InspectionContext,
): Promise<FoundObject | undefined> {
  const batches = (await context.catalogs<LfsBatch>(lfsBatchKind)).toReversed();
  for (const { ref, value } of batches) {
    const listed = value.places.get(url) ?? oid;
    const object = listed === undefined ? undefined : value.objects.get(listed);
    if (!object || (oid !== undefined && object.oid !== oid)) continue;
    const { sha256, inspector, name, attributes } = ref;
    return { object, link: { kind: 'artifact', sha256, inspector, name }, project: attributes?.project ?? '' };
  }
  return undefined;
}

async function isObject(artifact: ArtifactView, object: LfsObject): Promise<boolean> {
  if (artifact.size === object.size && (await hasDigest(artifact, digestOf(object)))) return true;
  if (artifact.contentEncoding === undefined) return false;
  const { size } = await artifact.decoded();
  return size === object.size && hasDigest(await decodedDigests(artifact), digestOf(object));
}

function digestOf({ oid }: LfsObject): Digest {
  return { algorithm: 'sha256', hex: oid };
}

function withoutQuery(url: string): string {
  const at = url.indexOf('?');
  return at === -1 ? url : url.slice(0, at);
}
