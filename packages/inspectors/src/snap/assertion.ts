import { isUtf8 } from 'node:buffer';

/** Bytes that are no assertion. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** A signed statement of a snap store. */
export interface Assertion {
  readonly type: string;
  /** Headers with a value on their own line; those with lists and maps hold their lines as written. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** What is signed: headers and body. */
  readonly content: Buffer;
  /** Base64 text. */
  readonly signature: string;
  /** The whole of it, as it came. */
  readonly bytes: Buffer;
}

/** Longest answer with assertions that is looked at. */
export const assertionBytes = 1 << 20;
/** A stream of assertions is longer only when somebody wants to keep us busy: each costs a signature. */
const maxAssertions = 64;
const maxHeaders = 200;
const separator = '\n\n';
const headerName = /^[a-z](?:-?[a-z0-9])*$/;

/**
 * Reads one or more assertions: headers, body and signature, each behind an empty line.
 * @throws AssertionError
 * @see snapd's description of the assertion format
 */
export function parseAssertions(bytes: Uint8Array): Assertion[] {
  if (bytes.length > assertionBytes) throw new AssertionError(`more than ${assertionBytes} bytes`);
  const whole = Buffer.from(bytes);
  if (!isUtf8(whole)) throw new AssertionError('not in UTF-8');
  if (whole.includes(0) || whole.includes('\r')) throw new AssertionError('a control character');
  const found: Assertion[] = [];
  for (let at = 0; at < whole.length; ) {
    if (found.length === maxAssertions) throw new AssertionError(`more than ${maxAssertions} assertions`);
    const { assertion, next } = parseOne(whole, at);
    found.push(assertion);
    at = next;
  }
  if (found.length === 0) throw new AssertionError('empty');
  return found;
}

/** @throws AssertionError unless it is exactly one of that type */
export function parseAssertion(bytes: Uint8Array, type: string): Assertion {
  const [assertion, ...more] = parseAssertions(bytes);
  if (!assertion || more.length > 0) throw new AssertionError(`expected one assertion, found ${more.length + 1}`);
  if (assertion.type !== type) throw new AssertionError(`expected the type ${type}, found ${quote(assertion.type)}`);
  return assertion;
}

/** @throws AssertionError when it is missing */
export function headerOf({ headers, type }: Assertion, name: string): string {
  const value = headers.get(name);
  if (value === undefined || value === '') throw new AssertionError(`the ${type} has no ${name}`);
  return value;
}

function parseOne(whole: Buffer, start: number): { readonly assertion: Assertion; readonly next: number } {
  const headersEnd = whole.indexOf(separator, start);
  if (headersEnd < 0) throw new AssertionError('no empty line behind the headers');
  const headers = parseHeaders(whole.toString('utf8', start, headersEnd));
  const length = headers.get('body-length') ?? '0';
  if (!/^(0|[1-9]\d{0,6})$/.test(length)) throw new AssertionError(`the body-length ${quote(length)}`);
  const bodyStart = headersEnd + separator.length;
  const bodyLength = Number(length);
  const contentEnd = bodyLength === 0 ? headersEnd : bodyStart + bodyLength;
  if (whole.toString('latin1', contentEnd, contentEnd + separator.length) !== separator) {
    throw new AssertionError('no signature behind headers and body');
  }
  const signatureStart = contentEnd + separator.length;
  const following = whole.indexOf(separator, signatureStart);
  const next = following < 0 ? whole.length : following + separator.length;
  const signature = whole.toString('latin1', signatureStart, following < 0 ? whole.length : following);
  if (!/^[A-Za-z0-9+/=\n]+$/.test(signature)) throw new AssertionError('a signature that is no base64');
  return {
    assertion: {
      type: headers.get('type') as string,
      headers,
      body: whole.subarray(bodyStart, bodyStart + bodyLength),
      content: whole.subarray(start, contentEnd),
      signature,
      bytes: whole.subarray(start, following < 0 ? whole.length : following),
    },
    next,
  };
}

function parseHeaders(text: string): Map<string, string> {
  const headers = new Map<string, string>();
  let open: string | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('  ')) {
      if (open === undefined) throw new AssertionError(`the line ${quote(line)} belongs to no header`);
      headers.set(open, `${headers.get(open)}${headers.get(open) === '' ? '' : '\n'}${line}`);
      continue;
    }
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    if (colon < 0 || !headerName.test(name)) throw new AssertionError(`the header line ${quote(line)}`);
    if (headers.has(name)) throw new AssertionError(`the header ${name} twice`);
    if (headers.size === maxHeaders) throw new AssertionError(`more than ${maxHeaders} headers`);
    const rest = line.slice(colon + 1);
    if (rest !== '' && !rest.startsWith(' ')) throw new AssertionError(`the header line ${quote(line)}`);
    open = rest === '' ? name : undefined;
    headers.set(name, rest.slice(1));
  }
  if (!headers.get('type') || !text.startsWith('type: ')) throw new AssertionError('no type in the first line');
  return headers;
}

/** Words of the assertion itself: short, and without control characters. */
export function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
