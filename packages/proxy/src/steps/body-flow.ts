import { type BodyDigests, matchesDigest, type VouchedDigest } from '@waybill/contracts';
import type { UpstreamAnswer } from '../answer.js';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { wholeHead } from '../http/answer-head.js';
import { isSelective } from '../http/conditional.js';
import { clientStop, headlines, Stop } from '../stop.js';
import { vouchedFor } from './vouched-for.js';

/**
 * Lets a body out while it comes in, but for its last chunk: that one waits for the verdict and the record, and without it
 * neither a `Content-Length` is reached nor a final chunk sent. Small bodies are held whole; so is everything in a strict
 * session whose digest nobody vouched for.
 */
export class BodyFlow {
  readonly #exchange: Exchange;
  readonly #context: ProxyContext;
  readonly #answer: UpstreamAnswer;
  /** Decided once the body turns out not to be small. */
  #mayStream: boolean | undefined;
  #vouched: readonly VouchedDigest[] | undefined;
  /** What came before that, or the last chunk. */
  #held: Buffer[] = [];

  constructor(exchange: Exchange, context: ProxyContext, answer: UpstreamAnswer) {
    this.#exchange = exchange;
    this.#context = context;
    this.#answer = answer;
  }

  /** Whether all but the last chunk is out, or on its way. */
  get isStreaming(): boolean {
    return this.#mayStream === true;
  }

  /**
   * Takes the next chunk. Resolves when the client can take more.
   * @param size bytes so far, this chunk included
   * @throws Stop when the client is gone, or the body is not the one that was vouched for
   */
  async offer(chunk: Buffer, size: number): Promise<void> {
    if (this.#mayStream === false) return;
    this.#held.push(chunk);
    if (this.#mayStream === undefined) {
      if (size <= this.#context.settings.limits.smallBodyBytes) return;
      this.#mayStream = await this.#decide();
      if (!this.#mayStream) {
        this.#held = [];
        return;
      }
      this.#begin();
    }
    this.#checkSize(size);
    while (this.#held.length > 1) await this.#write(this.#held.shift() as Buffer);
  }

  /**
   * Whether the body has to be hashed with sha512: some vouch names one. Asked before a body that may be large is taken in; small
   * ones always are.
   */
  async wantsSha512(): Promise<boolean> {
    const { contentLength } = this.#answer;
    if (contentLength !== undefined && contentLength <= this.#context.settings.limits.smallBodyBytes) return false;
    const all = await vouchedFor(this.#exchange, this.#context);
    return all.some(({ digests }) => digests.some(({ algorithm }) => algorithm === 'sha512'));
  }

  /** Sends the last chunk. */
  async finish(): Promise<void> {
    for (const chunk of this.#held) await this.#write(chunk);
    this.#held = [];
  }

  /** Why the streamed body is not one of those that were vouched for; undefined when it is, or none was needed. */
  mismatch(digests: BodyDigests): string | undefined {
    if (!this.isStreaming || !this.#vouched || this.#vouched.some((vouch) => isVouched(vouch, digests)))
      return undefined;
    const names = [...new Set(this.#vouched.map(({ vouchedBy }) => vouchedBy.name))].join(', ');
    return `the body has the sha256 ${digests.sha256}, which is none of those that ${names} lists for it`;
  }

  async #decide(): Promise<boolean> {
    const { request, client, activeSession } = this.#exchange;
    if (!request || isSelective(request.method, request.headers) || !client.canStream(this.#answer.contentLength))
      return false;
    if (activeSession.policy === 'permissive') return true;
    // Encoded bytes are not the ones that an index lists.
    const { status, contentEncoding } = this.#answer;
    if (activeSession.limits.hold === 'whole' || status !== 200 || contentEncoding !== undefined) return false;
    const all = await vouchedFor(this.#exchange, this.#context);
    this.#vouched = all.filter(({ digests }) => digests.some(({ algorithm }) => hashed.includes(algorithm)));
    if (this.#vouched.length === 0) return false;
    this.#checkAnnounced();
    return true;
  }

  #begin(): void {
    const { client } = this.#exchange;
    this.#exchange.holdBackHeaders();
    this.#exchange.delivery = 'streamed';
    if (!client.isStarted) client.start(wholeHead(this.#answer));
  }

  async #write(chunk: Buffer): Promise<void> {
    if (await this.#exchange.client.write(chunk)) return;
    this.#exchange.check();
    throw clientStop('the client does not read the answer any more');
  }

  /** Nothing was sent yet: a wrong size is refused in the open. */
  #checkAnnounced(): void {
    const { contentLength } = this.#answer;
    const sizes = this.#vouchedSizes();
    if (contentLength !== undefined && sizes && !sizes.includes(contentLength)) throw wrongSize(contentLength, sizes);
  }

  #checkSize(size: number): void {
    const sizes = this.#vouchedSizes();
    if (sizes && size > Math.max(...sizes)) throw wrongSize(size, sizes);
  }

  /** undefined when some vouch leaves the size open. */
  #vouchedSizes(): readonly number[] | undefined {
    const sizes = (this.#vouched ?? []).map(({ size }) => size);
    return sizes.length > 0 && sizes.every((size) => size !== undefined) ? (sizes as number[]) : undefined;
  }
}

/** What bodies are hashed with, strongest first. */
const hashed: readonly string[] = ['sha512', 'sha256', 'sha1'];

/** The strongest digest that the body is hashed with decides. */
function isVouched({ digests }: VouchedDigest, actual: BodyDigests): boolean {
  for (const algorithm of hashed) {
    const named = digests.filter((digest) => digest.algorithm === algorithm);
    if (named.length > 0) return named.some((digest) => matchesDigest(digest, actual) === true);
  }
  return false;
}

function wrongSize(found: number, wanted: readonly number[]): Stop {
  return new Stop({
    kind: 'refusal',
    phase: 'artifact',
    status: 403,
    headline: headlines.artifact,
    reason: `the body has ${found} bytes or more, but ${wanted.join(' or ')} bytes are vouched for`,
    hint: 'fetch the index again: the file may have changed since; if it has not, somebody tampers with it',
  });
}
