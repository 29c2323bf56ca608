const openers = new Set([0x7b, 0x5b]); // { [
const closers = new Set([0x7d, 0x5d]); // } ]
const quote = 0x22;
const backslash = 0x5c;

/**
 * Finds the end of the first JSON object in a stream of bytes: callers write one request and wait, without a newline and
 * without closing their side. Looks at each byte once.
 */
export class JsonFramer {
  readonly #maxBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #size = 0;
  #depth = 0;
  #inString = false;
  #isEscaped = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * @returns the text of the object once its last brace has come
   * @throws RangeError when it grows beyond the limit, SyntaxError when it does not begin as an object
   */
  push(chunk: Uint8Array): string | undefined {
    for (let at = 0; at < chunk.length; at++) {
      if (!this.#step(chunk[at] as number)) continue;
      this.#chunks.push(chunk.subarray(0, at + 1));
      return Buffer.concat(this.#chunks).toString('utf8');
    }
    this.#size += chunk.length;
    if (this.#size > this.#maxBytes) throw new RangeError(`the request is larger than ${this.#maxBytes} bytes`);
    this.#chunks.push(chunk);
    return undefined;
  }

  /** @returns whether this byte ends the object */
  #step(byte: number): boolean {
    if (this.#inString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === backslash) this.#isEscaped = true;
      else if (byte === quote) this.#inString = false;
      return false;
    }
    if (openers.has(byte)) this.#depth++;
    else if (this.#depth === 0) {
      if (byte > 0x20) throw new SyntaxError('the request is not a JSON object');
    } else if (byte === quote) this.#inString = true;
    else if (closers.has(byte)) this.#depth--;
    else return false;
    return this.#depth === 0 && closers.has(byte);
  }
}
