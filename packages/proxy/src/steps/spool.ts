import type { BlobInfo, BlobWriter } from '@waybill/contracts';
import type { UpstreamAnswer } from '../answer.js';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { type SpooledBody, spooledBody } from '../spooled-body.js';
import { headlines, Stop, storageStop } from '../stop.js';
import { targetOf } from '../upstream/target.js';
import { upstreamStop } from '../upstream-stop.js';
import { BodyFlow } from './body-flow.js';
import { armEarlyHeaders } from './early-headers.js';
import { bookBytes } from './take-turn.js';
import { createUnkeptWriter, isSecretAnswer, secretBytes } from './unkept-body.js';

/** Ranges are never asked of an upstream: what comes as a part of a body cannot be judged. */
export const unaskedPart = {
  reason: 'the upstream answered 206 Partial Content to a request for the whole',
  hint: 'use another source, or tell whoever runs this one or a proxy before it',
} as const;

/** Where the body of an answer is now. */
export type Spooled =
  | { readonly kind: 'none'; readonly note: string }
  | { readonly kind: 'withheld'; readonly note: string }
  | {
      readonly kind: 'body';
      /** A 2xx: inspected, decided and reported as an artifact. */
      readonly isArtifact: boolean;
      readonly body: SpooledBody;
      /** Lets it out, as far as it is not out already. */
      readonly flow: BodyFlow;
    };

/**
 * Takes the body in, hashing it on the way. In a strict session a body that is no artifact is read to its end, or some way
 * towards it, and dropped: nobody approved it.
 *
 * @throws Stop when the body does not arrive whole, is too large or cannot be stored
 */
export async function spool(exchange: Exchange, context: ProxyContext, answer: UpstreamAnswer): Promise<Spooled> {
  const { policy, limits } = exchange.activeSession;
  if (!answer.mayHaveBody) return { kind: 'none', note: await readNothing(exchange, answer) };
  const isArtifact = answer.status >= 200 && answer.status < 300;
  if (policy === 'strict') {
    if (!isArtifact) return withhold(exchange, answer, context.settings.limits.drainBytes);
    if (answer.status === 206) throw partialAnswer();
  }
  if (limits.artifactBytes > 0 && (answer.contentLength ?? 0) > limits.artifactBytes)
    throw tooLarge(limits.artifactBytes);
  if (isArtifact) count(exchange, answer);
  const flow = new BodyFlow(exchange, context, answer);
  armEarlyHeaders(exchange, answer);
  const body = answer.stored?.body ?? (await takeIn({ exchange, context, answer, flow }));
  if (body.size === 0) return { kind: 'none', note: 'no body' };
  if (answer.stored) exchange.use?.reused(body.size);
  exchange.body = { sha256: body.digests.sha256, size: body.size };
  return { kind: 'body', isArtifact, body, flow };
}

interface Intake {
  readonly exchange: Exchange;
  readonly context: ProxyContext;
  readonly answer: UpstreamAnswer;
  readonly flow: BodyFlow;
}

async function takeIn({ exchange, context, answer, flow }: Intake): Promise<SpooledBody> {
  const { blobs, limits } = context.settings;
  const bound = exchange.activeSession.limits.artifactBytes;
  exchange.isSecret = isSecretAnswer(exchange.claims);
  const most = exchange.isSecret ? Math.min(bound || secretBytes, secretBytes) : bound;
  const writer = exchange.isSecret
    ? createUnkeptWriter()
    : blobs.create({ sizeHint: answer.contentLength, sha512: await flow.wantsSha512() });
  let kept: Buffer[] | undefined = [];
  try {
    for (let chunks = await take(exchange, answer); chunks; chunks = await take(exchange, answer)) {
      for (const chunk of chunks) {
        await store(writer, chunk);
        if (most > 0 && writer.size > most) throw tooLarge(most);
        kept = exchange.isSecret || writer.size <= limits.smallBodyBytes ? kept : undefined;
        kept?.push(chunk);
        await flow.offer(chunk, writer.size);
      }
    }
    exchange.check();
    const info = await commit(writer);
    const small = kept && Buffer.concat(kept, info.size);
    return spooledBody({ blobs, digests: info.digests, size: info.size, small });
  } catch (error) {
    await writer.abort().catch(() => {});
    throw error;
  }
}

async function take(exchange: Exchange, answer: UpstreamAnswer): Promise<readonly Buffer[] | undefined> {
  let chunks: readonly Buffer[] | undefined;
  try {
    chunks = await answer.transfer.take();
  } catch (error) {
    exchange.check();
    throw upstreamStop(error, targetOf(viewOf(exchange).url));
  }
  if (exchange.use && chunks) await bookBytes(exchange, exchange.use, chunks);
  return chunks;
}

/** An artifact counts once it came in. @throws Stop when it would be too much */
function count(exchange: Exchange, { contentLength }: UpstreamAnswer): void {
  const settle = exchange.use?.begin(contentLength);
  if (settle) exchange.atEnd(() => settle(exchange.body !== undefined));
}

async function store(writer: BlobWriter, chunk: Buffer): Promise<void> {
  try {
    await writer.write(chunk);
  } catch (error) {
    throw storageStop(error);
  }
}

async function commit(writer: BlobWriter): Promise<BlobInfo> {
  try {
    return await writer.commit();
  } catch (error) {
    throw storageStop(error);
  }
}

/** An answer that must not have a body: waits for its end so that the connection can be used again. */
async function readNothing(exchange: Exchange, answer: UpstreamAnswer): Promise<string> {
  if (await take(exchange, answer)) {
    answer.transfer.abort(new Error('a body where none may be'));
    return `no body (status ${answer.status} has none, but the upstream sent one)`;
  }
  return 'no body';
}

async function withhold(exchange: Exchange, answer: UpstreamAnswer, drainBytes: number): Promise<Spooled> {
  const { transfer, status } = answer;
  exchange.delivery = 'withheld';
  try {
    while (transfer.received <= drainBytes && (await transfer.take())) {
      // Dropped: read only so that the connection to the upstream can be used again.
    }
  } catch {
    // The status and fields are all that counts of this answer, and they are complete.
    exchange.check();
  }
  exchange.use?.received(transfer.received);
  if (transfer.received > drainBytes) transfer.abort(new Error('more of a withheld body than is worth reading'));
  if (transfer.received > 0) return { kind: 'withheld', note: `body of status ${status} withheld` };
  exchange.delivery = 'none';
  return { kind: 'none', note: 'no body' };
}

function viewOf({ request }: Exchange) {
  if (!request) throw new Error('the request is described before it is sent');
  return request;
}

function tooLarge(most: number): Stop {
  return new Stop({
    kind: 'refusal',
    phase: 'artifact',
    status: 403,
    headline: headlines.artifact,
    reason: `the body is larger than ${most} bytes`,
    hint: 'raise limits.artifact-bytes in inspectors.yaml if this file is wanted',
  });
}

/** Also what `decide` says in a permissive session: the same verdict in both (promise 4). */
function partialAnswer(): Stop {
  return new Stop({
    kind: 'refusal',
    phase: 'artifact',
    status: 403,
    headline: headlines.artifact,
    ...unaskedPart,
  });
}
