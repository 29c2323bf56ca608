/** The few shapes of ASN.1 that a trust store is made of, in DER. @see ITU-T X.690 */
function value(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

export function sequence(...parts: readonly Buffer[]): Buffer {
  return value(0x30, Buffer.concat(parts));
}

/** DER wants the elements in order of their bytes. */
export function set(...parts: readonly Buffer[]): Buffer {
  return value(0x31, Buffer.concat([...parts].sort(Buffer.compare)));
}

export function octets(content: Buffer): Buffer {
  return value(0x04, content);
}

/** `[number] EXPLICIT` */
export function tagged(number: number, content: Buffer): Buffer {
  return value(0xa0 + number, content);
}

/** A BMPString. */
export function bmp(text: string): Buffer {
  return value(0x1e, Buffer.from(text, 'utf16le').swap16());
}

/** A small integer that is not negative. */
export function uint(number: number): Buffer {
  const bytes = bigEndian(number);
  return value(0x02, (bytes[0] as number) > 0x7f ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
}

export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return value(0x06, Buffer.from([first * 40 + second, ...rest].flatMap(base128)));
}

function base128(number: number): number[] {
  const digits = [number & 0x7f];
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = bigEndian(length);
  return Buffer.concat([Buffer.from([0x80 + bytes.length]), bytes]);
}

function bigEndian(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  const start = bytes.findIndex((byte) => byte !== 0);
  return bytes.subarray(start === -1 ? 3 : start);
}
