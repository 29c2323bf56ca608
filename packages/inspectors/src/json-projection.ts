import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { JsonValue } from '@waybill/contracts';

/** Kind of a JSON value, known from its first byte. */
export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'literal';

/** `enter` an object and be asked about its members, `take` the value whole, or `skip` it (checked, not kept). */
export type JsonAction = 'enter' | 'take' | 'skip';

/** Which parts of a document somebody wants. `path` is reused: copy it to keep it. */
export interface JsonProjection {
  select(path: readonly string[], kind: JsonKind): JsonAction;
  take(path: readonly string[], value: JsonValue): void;
}

export interface JsonLimits {
  /** The whole document. */
  readonly maxBytes: number;
  /** A taken value, a key of an entered object or a number. Default 1 MiB. */
  readonly maxValueBytes?: number;
  /** Nesting. Default 512. */
  readonly maxDepth?: number;
}

/** The document is not JSON, is ambiguous (a key twice in an entered object) or passes a limit. */
export class JsonProjectionError extends Error {}

/**
 * Reads a JSON document of any size in one pass and keeps only what the projection takes. As strict as `JSON.parse`, in UTF-8
 * only, without a byte order mark.
 * @throws JsonProjectionError
 */
export async function projectJson(stream: Readable, projection: JsonProjection, limits: JsonLimits): Promise<void> {
  const reader = new JsonReader(projection, limits);
  for await (const chunk of stream) reader.write(chunk as Buffer);
  reader.end();
}

interface Frame {
  readonly isObject: boolean;
  /** Keys seen so far, of an entered object. */
  readonly keys: Set<string> | undefined;
}

type State =
  | 'value'
  | 'first-value'
  | 'first-key'
  | 'key'
  | 'colon'
  | 'after'
  | 'string'
  | 'number'
  | 'literal'
  | 'end';

const quote = 0x22;
const backslash = 0x5c;
const numberPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const literals: Readonly<Record<number, string>> = { 116: 'true', 102: 'false', 110: 'null' };

/** A push parser: feed it bytes with `write`, then `end`. One state machine, so that chunk borders can be anywhere. */
class JsonReader {
  readonly #projection: JsonProjection;
  readonly #maxBytes: number;
  readonly #maxValueBytes: number;
  readonly #maxDepth: number;
  readonly #frames: Frame[] = [];
  readonly #path: string[] = [];
  #state: State = 'value';
  #isKey = false;
  /** Within a string: 0 plain, 1 after a backslash, 2–5 hex digits to come. */
  #escape = 0;
  #token = '';
  #offset = 0;
  #utf8Tail = Buffer.alloc(0);
  /** Depth at which the value being taken or skipped began; -1 = inside entered objects only. */
  #opaqueDepth = -1;
  #capture: Buffer[] | undefined;
  #captured = 0;
  #captureFrom = 0;

  constructor(projection: JsonProjection, limits: JsonLimits) {
    this.#projection = projection;
    this.#maxBytes = limits.maxBytes;
    this.#maxValueBytes = limits.maxValueBytes ?? 2 ** 20;
    this.#maxDepth = limits.maxDepth ?? 512;
  }

  write(chunk: Buffer): void {
    if (this.#offset + chunk.length > this.#maxBytes) this.#fail(`larger than ${this.#maxBytes} bytes`, 0);
    this.#checkUtf8(chunk);
    this.#captureFrom = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#state === 'string') at = this.#string(chunk, at);
      else if (this.#state === 'number') at = this.#number(chunk, at);
      else if (this.#state === 'literal') at = this.#literal(chunk, at);
      else at = this.#structure(chunk, at);
    }
    if (this.#capture) this.#keep(chunk, chunk.length);
    this.#offset += chunk.length;
  }

  end(): void {
    if (this.#state === 'number') this.#finishNumber(Buffer.alloc(0), 0);
    if (this.#state !== 'end' || this.#utf8Tail.length > 0) this.#fail('the document ends too early', 0);
  }

  #structure(chunk: Buffer, at: number): number {
    const byte = chunk[at] as number;
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return at + 1;
    switch (this.#state) {
      case 'first-value':
        if (byte === 0x5d) return this.#close(chunk, at, false);
        return this.#begin(at, byte);
      case 'value':
        return this.#begin(at, byte);
      case 'first-key':
        if (byte === 0x7d) return this.#close(chunk, at, true);
        return this.#beginKey(at, byte);
      case 'key':
        return this.#beginKey(at, byte);
      case 'colon':
        if (byte !== 0x3a) this.#unexpected(byte, at);
        this.#state = 'value';
        return at + 1;
      case 'after':
        return this.#separator(chunk, at, byte);
      default:
        return this.#unexpected(byte, at);
    }
  }

  #begin(at: number, byte: number): number {
    const kind = kindOf(byte);
    if (!kind) return this.#unexpected(byte, at);
    const action = this.#opaqueDepth >= 0 ? 'skip' : this.#projection.select(this.#path, kind);
    if (action === 'enter' && kind !== 'object') this.#fail(`expected an object at ${this.#place()}`, at);
    if (this.#opaqueDepth < 0 && action !== 'enter') {
      this.#opaqueDepth = this.#frames.length;
      if (action === 'take') this.#startCapture(at);
    }
    if (kind === 'object' || kind === 'array') {
      if (this.#frames.length >= this.#maxDepth) this.#fail(`nested deeper than ${this.#maxDepth}`, at);
      this.#frames.push({ isObject: kind === 'object', keys: action === 'enter' ? new Set() : undefined });
      this.#state = kind === 'object' ? 'first-key' : 'first-value';
      return at + 1;
    }
    this.#token = '';
    this.#isKey = false;
    this.#state = kind;
    return kind === 'string' ? at + 1 : at;
  }

  #beginKey(at: number, byte: number): number {
    if (byte !== quote) this.#unexpected(byte, at);
    this.#isKey = true;
    this.#state = 'string';
    if (this.#opaqueDepth < 0) this.#startCapture(at);
    return at + 1;
  }

  #separator(chunk: Buffer, at: number, byte: number): number {
    const frame = this.#frames.at(-1) as Frame;
    if (byte === 0x2c) {
      this.#state = frame.isObject ? 'key' : 'value';
      return at + 1;
    }
    if (byte !== 0x7d && byte !== 0x5d) this.#unexpected(byte, at);
    return this.#close(chunk, at, byte === 0x7d);
  }

  #close(chunk: Buffer, at: number, isObject: boolean): number {
    if (this.#frames.pop()?.isObject !== isObject) this.#unexpected(chunk[at] as number, at);
    this.#finishValue(chunk, at + 1);
    return at + 1;
  }

  #string(chunk: Buffer, start: number): number {
    let at = start;
    for (; at < chunk.length; at += 1) {
      const byte = chunk[at] as number;
      if (this.#escape === 0) {
        if (byte === quote) return this.#finishString(chunk, at + 1);
        if (byte === backslash) this.#escape = 1;
        else if (byte < 0x20) this.#fail('control character in a string', at);
      } else if (this.#escape === 1) {
        if (byte === 0x75) this.#escape = 2;
        else if (!'"\\/bfnrt'.includes(String.fromCharCode(byte))) this.#fail('invalid escape in a string', at);
        else this.#escape = 0;
      } else {
        if (!isHex(byte)) this.#fail('invalid escape in a string', at);
        this.#escape = this.#escape === 5 ? 0 : this.#escape + 1;
      }
    }
    return at;
  }

  #finishString(chunk: Buffer, end: number): number {
    if (!this.#isKey) {
      this.#finishValue(chunk, end);
      return end;
    }
    if (this.#opaqueDepth < 0) {
      const key = this.#endCapture(chunk, end) as string;
      const { keys } = this.#frames.at(-1) as Frame;
      if (keys?.has(key)) this.#fail(`the key ${JSON.stringify(key.slice(0, 200))} twice in ${this.#place()}`, end);
      keys?.add(key);
      this.#path.push(key);
    }
    this.#state = 'colon';
    return end;
  }

  #number(chunk: Buffer, start: number): number {
    let at = start;
    while (at < chunk.length && isNumberByte(chunk[at] as number)) at += 1;
    this.#token += chunk.toString('latin1', start, at);
    if (this.#token.length > this.#maxValueBytes) this.#fail('number too long', at);
    if (at < chunk.length) this.#finishNumber(chunk, at);
    return at;
  }

  #finishNumber(chunk: Buffer, at: number): void {
    if (!numberPattern.test(this.#token)) this.#fail('malformed number', at);
    this.#finishValue(chunk, at);
  }

  #literal(chunk: Buffer, start: number): number {
    let at = start;
    if (this.#token === '') this.#token = literals[chunk[at] as number] ?? '';
    for (; at < chunk.length && this.#token !== ''; at += 1) {
      if (chunk[at] !== this.#token.charCodeAt(0)) this.#unexpected(chunk[at] as number, at);
      this.#token = this.#token.slice(1);
    }
    if (this.#token === '') this.#finishValue(chunk, at);
    return at;
  }

  #finishValue(chunk: Buffer, end: number): void {
    if (this.#opaqueDepth === this.#frames.length) {
      this.#opaqueDepth = -1;
      if (this.#capture) this.#projection.take(this.#path, this.#endCapture(chunk, end));
    }
    if (this.#opaqueDepth < 0) this.#path.pop();
    this.#state = this.#frames.length === 0 ? 'end' : 'after';
  }

  #startCapture(at: number): void {
    this.#capture = [];
    this.#captured = 0;
    this.#captureFrom = at;
  }

  #endCapture(chunk: Buffer, end: number): JsonValue {
    this.#keep(chunk, end);
    const text = Buffer.concat(this.#capture ?? []).toString('utf8');
    this.#capture = undefined;
    return JSON.parse(text) as JsonValue;
  }

  #keep(chunk: Buffer, end: number): void {
    const part = chunk.subarray(this.#captureFrom, end);
    this.#captured += part.length;
    if (this.#captured > this.#maxValueBytes)
      this.#fail(`${this.#place()} is longer than ${this.#maxValueBytes} bytes`, end);
    this.#capture?.push(part);
  }

  /** A character may be split between chunks: the bytes that may still be completed wait for the next one. */
  #checkUtf8(chunk: Buffer): void {
    const bytes = this.#utf8Tail.length > 0 ? Buffer.concat([this.#utf8Tail, chunk]) : chunk;
    for (let tail = 0; tail <= Math.min(3, bytes.length); tail += 1) {
      if (!isUtf8(bytes.subarray(0, bytes.length - tail))) continue;
      this.#utf8Tail = Buffer.from(bytes.subarray(bytes.length - tail));
      return;
    }
    this.#fail('not UTF-8', 0);
  }

  #place(): string {
    return this.#path.length === 0 ? 'the document' : this.#path.map((key) => key.slice(0, 100)).join('.');
  }

  #unexpected(byte: number, at: number): never {
    const shown = byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `0x${byte.toString(16)}`;
    this.#fail(`unexpected ${shown}`, at);
  }

  #fail(reason: string, at: number): never {
    throw new JsonProjectionError(`${reason} (byte ${this.#offset + at})`);
  }
}

function kindOf(byte: number): JsonKind | undefined {
  if (byte === 0x7b) return 'object';
  if (byte === 0x5b) return 'array';
  if (byte === quote) return 'string';
  if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) return 'number';
  return literals[byte] === undefined ? undefined : 'literal';
}

function isNumberByte(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2e || byte === 0x2d || byte === 0x2b || (byte | 0x20) === 0x65;
}

function isHex(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}
