import type { ArtifactInspection, ArtifactView, InspectionContext } from '@waybill/contracts';
import { approved, rejected } from '../opinions.js';
import { lendCheckout } from './checkout.js';
import { approveFetch, fetchResultType, mainWant, tagOf } from './fetch-approval.js';
import { type FetchResult, readFetchResult } from './fetch-result.js';
import { listedWants } from './listed-wants.js';
import { earlierPacks } from './pack-catalog.js';
import { GitFormatError } from './pkt-line.js';
import type { AllowedRepository } from './repository-url.js';
import { createScratchRepository, type PackFacts, type ScratchRepository } from './scratch-repository.js';
import type { FetchRequest } from './upload-request.js';

export interface FetchQuestion {
  readonly artifact: ArtifactView;
  readonly repository: AllowedRepository;
  readonly request: FetchRequest;
  readonly context: InspectionContext;
}

/**
 * Judges the answer to a fetch: real git computes the ids of all objects in the pack, and every wanted id must be among them.
 * @throws GitFormatError
 */
export async function inspectFetch(question: FetchQuestion): Promise<ArtifactInspection> {
  const stream = question.artifact.open();
  try {
    const result = await readFetchResult(stream, question.request);
    return result.pack ? await inspectPack(question, result, result.pack) : inspectRound(question, result);
  } finally {
    stream.destroy();
  }
}

/** A round of negotiation: the server may only name commits that the client said it has. */
function inspectRound({ request, repository }: FetchQuestion, result: FetchResult): ArtifactInspection {
  const strange = result.acks.find((oid) => !request.haves.includes(oid));
  if (strange !== undefined) return rejected(`the server acknowledges ${strange}, which the client did not name`);
  if (request.done) return rejected('the client asked for a pack and none came');
  return approved('a round of negotiation, without a pack', {
    metadata: {
      type: fetchResultType,
      name: repository.name,
      vendor: repository.host,
      description: 'git fetch negotiation',
    },
    vouchedBy: [repository.origin],
    annotations: { negotiation: true, acks: result.acks.length },
  });
}

async function inspectPack(
  question: FetchQuestion,
  result: FetchResult,
  pack: AsyncIterable<Buffer>,
): Promise<ArtifactInspection> {
  const { request, context } = question;
  const wants = wantsOf(request, result);
  const scratch = await createScratchRepository({
    directory: await context.scratch(),
    objectFormat: request.objectFormat,
    signal: context.signal,
  });
  const base = await layBase(question, scratch);
  const shallow = cutOff(request, result);
  await scratch.setShallow(shallow);
  const check = request.filter === undefined && base.isComplete ? 'links' : 'objects';
  let facts: PackFacts;
  try {
    facts = await scratch.addPack(pack, check);
  } catch (error) {
    if (!(error instanceof GitFormatError) || base.isComplete) throw error;
    return rejected(`fetch of ${question.repository.name}: ${error.message}`, { hint: freshHint });
  }
  const absent = (await scratch.missing(wants)).filter((oid) => !request.haves.includes(oid));
  if (absent.length > 0) return unproven(absent, base.isComplete);
  const listed = await listedWants(context, question.repository.url, wants);
  const [revision, tag] = [mainWant(wants, listed), tagOf(mainWant(wants, listed), listed)];
  lendCheckout(question.artifact, scratch, { repository: question.repository.url, revision, tag });
  return approveFetch(question, {
    wants,
    listed,
    shallow,
    annotations: {
      ...(check === 'objects' && {
        connectivity:
          request.filter === undefined
            ? 'not checked: the client builds on objects from before this session'
            : 'not checked: objects were left out on request',
      }),
      'server-response': responseLines(result),
      'pack-objects': facts.objects,
      'pack-bytes': facts.bytes,
      ...(base.packs > 0 && { 'earlier-packs': base.packs }),
    },
  });
}

/** Wanted ids, those that the server gave for wanted refs included. */
function wantsOf(request: FetchRequest, { wantedRefs }: FetchResult): string[] {
  const length = request.objectFormat === 'sha1' ? 40 : 64;
  for (const name of request.wantRefs) {
    const oid = wantedRefs.get(name);
    if (oid === undefined)
      throw new GitFormatError(`the server did not say what ${JSON.stringify(name.slice(0, 200))} is`);
    if (oid.length !== length)
      throw new GitFormatError(`expected an object id of ${request.objectFormat}, found ${oid}`);
  }
  const extra = [...wantedRefs.keys()].find((name) => !request.wantRefs.includes(name));
  if (extra !== undefined)
    throw new GitFormatError(`the server names ${JSON.stringify(extra.slice(0, 200))}, which was not wanted`);
  return [...new Set([...request.wants, ...wantedRefs.values()])];
}

/** What the server said before the pack, in its own words; cut. */
function responseLines({ acks, shallow, unshallow, wantedRefs }: FetchResult): string[] {
  return [
    ...acks.slice(0, 50).map((oid) => `ACK ${oid}`),
    ...shallow.slice(0, 50).map((oid) => `shallow ${oid}`),
    ...unshallow.slice(0, 50).map((oid) => `unshallow ${oid}`),
    ...[...wantedRefs].slice(0, 50).map(([name, oid]) => `${oid} ${name.slice(0, 200)}`),
  ];
}

/** Commits without parents on the client's side once it has taken this answer. */
function cutOff(request: FetchRequest, { shallow, unshallow }: FetchResult): string[] {
  const all = new Set([...request.shallow, ...shallow]);
  for (const oid of unshallow) all.delete(oid);
  return [...all];
}

/** Unpacks what the session has of the repository, when the client says that it has something. */
async function layBase(
  { request, repository, context }: FetchQuestion,
  scratch: ScratchRepository,
): Promise<{ packs: number; isComplete: boolean }> {
  const known = [...request.haves, ...request.shallow];
  if (known.length === 0) return { packs: 0, isComplete: true };
  const packs = await earlierPacks(context, repository.url);
  for (const pack of packs) await scratch.addPack(pack.open(), 'objects');
  return { packs: packs.length, isComplete: (await scratch.missing(known)).length === 0 };
}

function unproven(absent: readonly string[], isComplete: boolean): ArtifactInspection {
  const shown = absent.slice(0, 5).join(', ');
  return rejected(
    `the pack does not hold ${absent.length === 1 ? 'the wanted object' : `${absent.length} wanted objects, e.g.`} ${shown}`,
    {
      hint: isComplete ? 'the server sent something else than it was asked for' : freshHint,
    },
  );
}

const freshHint =
  'the client builds on objects from before this session; clone afresh in the session so that all of it can be checked';
