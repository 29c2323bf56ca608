import { FormatProblem } from '../format-problem.js';
import { BitReader } from './bit-reader.js';

/** No block is longer: 900 000 symbols of 20 bits, and its tables. */
const maxPackedBlock = 2_400_000;
const maxCodeBits = 20;
const groupSymbols = 50;
const blockStart = '314159265359';
const streamEnd = '177245385090';

/**
 * Decompressed blocks of bzip2 data, one stream or several. Memory is that of one block, 8 MB at most; every block's checksum is
 * checked before it is handed out.
 * @throws FormatProblem
 * @see "bzip2 File Format Specification" (J. Tsai) of what bzip2 1.0 writes
 */
export async function* decodeBzip2(source: AsyncIterable<Uint8Array>, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const bits = new BitReader(source);
  try {
    do {
      await bits.fill(4);
      if (bits.take(24) !== 0x425a68) throw damaged('it has no header');
      const level = bits.take(8) - 0x30;
      if (level < 1 || level > 9) throw damaged('its header has no block size');
      const decode = createBlockDecoder(bits, level * 100_000);
      let combined = 0;
      for (;;) {
        signal?.throwIfAborted();
        await bits.fill(maxPackedBlock);
        const magic = [bits.take(24), bits.take(24)].map((part) => part.toString(16).padStart(6, '0')).join('');
        const crc = ((bits.take(16) << 16) | bits.take(16)) >>> 0;
        if (magic === streamEnd) {
          if (crc !== combined) throw damaged('its checksum is wrong');
          break;
        }
        if (magic !== blockStart) throw damaged('a block has no header');
        const block = decode();
        if (checksum(block) !== crc) throw damaged('the checksum of a block is wrong');
        combined = (((combined << 1) | (combined >>> 31)) ^ crc) >>> 0;
        yield block;
      }
      bits.align();
      await bits.fill(1);
    } while (!bits.isAtEnd);
  } finally {
    await bits.close();
  }
}

function createBlockDecoder(bits: BitReader, blockSize: number): () => Buffer {
  const tt = new Uint32Array(blockSize);
  return () => {
    if (bits.take(1) !== 0) throw damaged('a randomised block, which no bzip2 since 1.0 writes');
    const origin = bits.take(24);
    const symbols = readSymbols(bits);
    const size = readBlock(bits, symbols, tt);
    if (origin >= size) throw damaged('a block begins outside itself');
    return undoRuns(undoSort(tt, size, origin));
  };
}

/** The bytes that a block uses, in their order. */
function readSymbols(bits: BitReader): number[] {
  const symbols: number[] = [];
  const used = bits.take(16);
  for (let row = 0; row < 16; row += 1) {
    if (!(used & (0x8000 >> row))) continue;
    const columns = bits.take(16);
    for (let column = 0; column < 16; column += 1) if (columns & (0x8000 >> column)) symbols.push(16 * row + column);
  }
  if (symbols.length === 0) throw damaged('a block uses no byte');
  return symbols;
}

/** Codes with as many bits: `limit` is the largest of each length, `offset` what to take off for its place in `order`. */
interface Codes {
  readonly shortest: number;
  readonly longest: number;
  readonly limit: Int32Array;
  readonly offset: Int32Array;
  readonly order: readonly number[];
}

/** Selectors and code tables, then symbols in groups of fifty. Fills `tt` with the sorted block. */
function readBlock(bits: BitReader, symbols: readonly number[], tt: Uint32Array): number {
  const tables = bits.take(3);
  const groups = bits.take(15);
  if (tables < 2 || tables > 6 || groups === 0) throw damaged('a block has no code tables');
  const recent = Array.from({ length: tables }, (_, table) => table);
  const selectors = Array.from({ length: groups }, () => {
    let place = 0;
    while (bits.take(1) === 1) {
      place += 1;
      if (place >= tables) throw damaged('a block selects a table that it does not have');
    }
    return toFront(recent, place);
  });
  const end = symbols.length + 1;
  const codes = Array.from({ length: tables }, () => readCodes(bits, end + 1));
  const order = [...symbols];
  let size = 0;
  let run = 0;
  let weight = 1;
  for (let count = 0; ; count += 1) {
    const table = codes[selectors[Math.floor(count / groupSymbols)] ?? -1];
    if (!table) throw damaged('a block goes on beyond its tables');
    const symbol = readSymbol(bits, table);
    if (symbol <= 1) {
      run += weight << symbol;
      weight <<= 1;
      if (run > tt.length) throw damaged('a block is longer than its header says');
      continue;
    }
    if (size + run > tt.length) throw damaged('a block is longer than its header says');
    tt.fill(order[0] as number, size, size + run);
    size += run;
    run = 0;
    weight = 1;
    if (symbol === end) return size;
    if (size === tt.length) throw damaged('a block is longer than its header says');
    tt[size] = toFront(order, symbol - 1);
    size += 1;
  }
}

function toFront(list: number[], place: number): number {
  const value = list[place];
  if (value === undefined) throw damaged('a block names a byte that it does not use');
  list.copyWithin(1, 0, place);
  list[0] = value;
  return value;
}

function readCodes(bits: BitReader, count: number): Codes {
  let length = bits.take(5);
  const lengths = Array.from({ length: count }, () => {
    for (;;) {
      if (length < 1 || length > maxCodeBits) throw damaged('a code has no length');
      if (bits.take(1) === 0) return length;
      length += bits.take(1) === 0 ? 1 : -1;
    }
  });
  const limit = new Int32Array(maxCodeBits + 2).fill(-1);
  const offset = new Int32Array(maxCodeBits + 2);
  const order: number[] = [];
  const shortest = Math.min(...lengths);
  const longest = Math.max(...lengths);
  let code = 0;
  for (let bitCount = shortest; bitCount <= longest; bitCount += 1) {
    offset[bitCount] = code - order.length;
    for (const [symbol, own] of lengths.entries()) if (own === bitCount) order.push(symbol);
    code = order.length + (offset[bitCount] as number);
    limit[bitCount] = code - 1;
    code <<= 1;
  }
  return { shortest, longest, limit, offset, order };
}

function readSymbol(bits: BitReader, { shortest, longest, limit, offset, order }: Codes): number {
  let code = bits.take(shortest);
  for (let length = shortest; length <= longest; length += 1) {
    if (code <= (limit[length] as number)) {
      const symbol = order[code - (offset[length] as number)];
      if (symbol === undefined) break;
      return symbol;
    }
    code = (code << 1) | bits.take(1);
  }
  throw damaged('a code that its table does not have');
}

/** The bytes before they were sorted (Burrows-Wheeler). The low 8 bits of `tt` are the sorted bytes; the rest becomes the links. */
function undoSort(tt: Uint32Array, size: number, origin: number): Buffer {
  const starts = new Uint32Array(257);
  for (let i = 0; i < size; i += 1)
    starts[((tt[i] as number) & 0xff) + 1] = (starts[((tt[i] as number) & 0xff) + 1] as number) + 1;
  for (let byte = 0; byte < 256; byte += 1) starts[byte + 1] = (starts[byte + 1] as number) + (starts[byte] as number);
  for (let i = 0; i < size; i += 1) {
    const byte = (tt[i] as number) & 0xff;
    const to = starts[byte] as number;
    starts[byte] = to + 1;
    tt[to] = ((tt[to] as number) & 0xff) | (i << 8);
  }
  const out = Buffer.allocUnsafe(size);
  let next = (tt[origin] as number) >>> 8;
  for (let i = 0; i < size; i += 1) {
    const entry = tt[next] as number;
    out[i] = entry & 0xff;
    next = entry >>> 8;
  }
  return out;
}

/** Four equal bytes are followed by how often the byte comes once more. */
function undoRuns(bytes: Buffer): Buffer {
  let size = 0;
  for (const { length } of pieces(bytes)) size += length;
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { byte, length } of pieces(bytes)) {
    out.fill(byte, at, at + length);
    at += length;
  }
  return out;
}

function* pieces(bytes: Buffer): Generator<{ byte: number; length: number }> {
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] as number;
    let same = 1;
    while (same < 4 && bytes[at + same] === byte) same += 1;
    at += same;
    if (same < 4) yield { byte, length: same };
    else {
      if (at === bytes.length) throw damaged('a run has no length');
      yield { byte, length: 4 + (bytes[at] as number) };
      at += 1;
    }
  }
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000_0000 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
  return crc >>> 0;
});

/** The CRC-32 of bzip2, most significant bit first: not that of zlib. */
function checksum(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = ((crc << 8) ^ (crcTable[((crc >>> 24) ^ byte) & 0xff] as number)) >>> 0;
  return ~crc >>> 0;
}

function damaged(why: string): FormatProblem {
  return new FormatProblem(`damaged bzip2 data: ${why}`);
}
