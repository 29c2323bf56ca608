import { FormatProblem } from '../format-problem.js';

/**
 * Reads a stream of chunks in exact steps. Keeps no more than one chunk beside what is asked for. `close` (or the end of the
 * source) releases the source.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Buffer = Buffer.alloc(0);
  #ended = false;
  #position = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Bytes handed out so far. */
  get position(): number {
    return this.#position;
  }

  /** The next chunk of at most `longest` bytes, undefined at the end. */
  async some(longest: number): Promise<Buffer | undefined> {
    while (this.#chunk.length === 0) {
      if (this.#ended) return undefined;
      const { value, done } = await this.#source.next();
      if (done) this.#ended = true;
      else this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    const part = this.#chunk.subarray(0, longest);
    this.#chunk = this.#chunk.subarray(part.length);
    this.#position += part.length;
    return part;
  }

  /** Exactly `length` bytes; fewer only at the end of the source. The caller bounds `length`. */
  async upTo(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      const part = await this.some(missing);
      if (!part) break;
      parts.push(part);
      missing -= part.length;
    }
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  }

  /**
   * Exactly `length` bytes. The caller bounds `length`.
   * @throws FormatProblem when the source ends before
   */
  async exactly(length: number, what: string): Promise<Buffer> {
    const bytes = await this.upTo(length);
    if (bytes.length < length) {
      throw new FormatProblem(`${what} ends after ${bytes.length} of ${length} bytes`);
    }
    return bytes;
  }

  /**
   * The next `length` bytes as chunks of their own.
   * @throws FormatProblem when the source ends before
   */
  async *section(length: number, what: string): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      const part = await this.some(left);
      if (!part) throw new FormatProblem(`${what} ends after ${length - left} of ${length} bytes`);
      left -= part.length;
      yield part;
    }
  }

  /**
   * Skips `length` bytes.
   * @throws FormatProblem when the source ends before
   */
  async skip(length: number, what: string): Promise<void> {
    for await (const _ of this.section(length, what));
  }

  /** Ends the source. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#chunk = Buffer.alloc(0);
    await this.#source.return?.();
  }
}
