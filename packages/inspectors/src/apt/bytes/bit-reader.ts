import { FormatProblem } from '../format-problem.js';

/** Bits of a stream, most significant first. {@link fill} fetches bytes, {@link take} only reads what was fetched. */
export class BitReader {
  readonly #input: AsyncIterator<Uint8Array>;
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;
  #kept = 0;
  #keptBits = 0;
  #isEnded = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#input = source[Symbol.asyncIterator]();
  }

  /** Fetches until so many bytes are at hand, or the stream ends. */
  async fill(bytes: number): Promise<void> {
    const parts = [this.#bytes.subarray(this.#at)];
    let size = parts[0]?.length ?? 0;
    if (size >= bytes || this.#isEnded) return;
    while (size < bytes) {
      const { value, done } = await this.#input.next();
      if (done) {
        this.#isEnded = true;
        break;
      }
      parts.push(value);
      size += value.length;
    }
    this.#bytes = Buffer.concat(parts, size);
    this.#at = 0;
  }

  /** Whether nothing is left but bits that fill up the last byte. */
  get isAtEnd(): boolean {
    return this.#isEnded && this.#at === this.#bytes.length;
  }

  /** At most 24 bits. @throws FormatProblem when the stream is at its end */
  take(bits: number): number {
    while (this.#keptBits < bits) {
      if (this.#at === this.#bytes.length) throw new FormatProblem('damaged bzip2 data: it is cut off');
      this.#kept = ((this.#kept << 8) | (this.#bytes[this.#at] as number)) >>> 0;
      this.#at += 1;
      this.#keptBits += 8;
    }
    this.#keptBits -= bits;
    const value = this.#kept >>> this.#keptBits;
    this.#kept &= (1 << this.#keptBits) - 1;
    return value;
  }

  /** Leaves out bits up to the next byte. */
  align(): void {
    this.take(this.#keptBits % 8);
  }

  async close(): Promise<void> {
    await this.#input.return?.();
  }
}
