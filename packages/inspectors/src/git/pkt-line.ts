import type { Readable } from 'node:stream';

/** A packet of git's wire format. @see gitprotocol-common(5) */
export type Pkt = { readonly kind: 'data'; readonly payload: Buffer } | { readonly kind: 'flush' | 'delim' | 'end' };

/** Bytes are not what the git protocol says they are. */
export class GitFormatError extends Error {}

/** Largest packet, its four length digits included. */
const maxPktBytes = 65_520;
const specials = { 0: 'flush', 1: 'delim', 2: 'end' } as const;

/**
 * Reads packets from a stream in bounded memory; the bytes behind the packets can be a bare pack.
 * Destroy the stream yourself when you stop before its end.
 */
export class PktStream {
  readonly #chunks: AsyncIterator<Buffer>;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /**
   * The next packet; undefined at the end of the stream.
   * @throws GitFormatError
   */
  async next(): Promise<Pkt | undefined> {
    if (!(await this.#fill(4))) {
      if (this.#buffer.length === 0) return undefined;
      throw new GitFormatError('the stream ends within a packet length');
    }
    const length = pktLength(this.#buffer.subarray(0, 4));
    if (length < 4) {
      this.#buffer = this.#buffer.subarray(4);
      return { kind: specialOf(length) };
    }
    if (!(await this.#fill(length))) throw new GitFormatError('the stream ends within a packet');
    const payload = this.#buffer.subarray(4, length);
    this.#buffer = this.#buffer.subarray(length);
    return { kind: 'data', payload };
  }

  /** Whether a pack follows that is not wrapped in packets. */
  async isAtBarePack(): Promise<boolean> {
    return (await this.#fill(4)) && this.#buffer.toString('latin1', 0, 4) === 'PACK';
  }

  /** Everything that is left, as it comes. */
  async *rest(): AsyncGenerator<Buffer> {
    if (this.#buffer.length > 0) yield this.#buffer;
    this.#buffer = Buffer.alloc(0);
    for (let next = await this.#chunks.next(); !next.done; next = await this.#chunks.next()) yield next.value;
  }

  /** Makes sure that so many bytes are there; false at the end of the stream. */
  async #fill(bytes: number): Promise<boolean> {
    if (this.#buffer.length >= bytes) return true;
    const parts = [this.#buffer];
    let size = this.#buffer.length;
    while (size < bytes) {
      const next = await this.#chunks.next();
      if (next.done) break;
      parts.push(next.value);
      size += next.value.length;
    }
    this.#buffer = Buffer.concat(parts);
    return size >= bytes;
  }
}

/**
 * All packets of a request body that is in memory.
 * @throws GitFormatError
 */
export function parsePkts(bytes: Uint8Array, maxPkts: number): Pkt[] {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pkts: Pkt[] = [];
  for (let at = 0; at < body.length; ) {
    if (pkts.length >= maxPkts) throw new GitFormatError(`more than ${maxPkts} packets`);
    if (at + 4 > body.length) throw new GitFormatError('the body ends within a packet length');
    const length = pktLength(body.subarray(at, at + 4));
    if (at + length > body.length) throw new GitFormatError('the body ends within a packet');
    pkts.push(length < 4 ? { kind: specialOf(length) } : { kind: 'data', payload: body.subarray(at + 4, at + length) });
    at += Math.max(length, 4);
  }
  return pkts;
}

/** A packet's text without its closing newline. Bytes that are no UTF-8 (old ref names) become U+FFFD. */
export function textOf(payload: Buffer): string {
  const end = payload.at(-1) === 0x0a ? payload.length - 1 : payload.length;
  return payload.toString('utf8', 0, end);
}

function pktLength(digits: Buffer): number {
  const text = digits.toString('latin1');
  if (!/^[0-9a-fA-F]{4}$/.test(text))
    throw new GitFormatError(`expected a packet length, found ${JSON.stringify(text)}`);
  const length = Number.parseInt(text, 16);
  if (length > maxPktBytes) throw new GitFormatError(`a packet of ${length} bytes, allowed are ${maxPktBytes}`);
  return length;
}

function specialOf(length: number): 'flush' | 'delim' | 'end' {
  const kind = specials[length as keyof typeof specials];
  if (!kind) throw new GitFormatError(`a packet of length ${length}`);
  return kind;
}
