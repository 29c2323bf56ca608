import { describe, expect, it } from 'vitest';
import { encodeFilter, type FilterInstruction, systemCallFilter } from './system-call-filter.js';
import { systemCallTables } from './system-calls.js';

const allowed = 'allow';

/** Runs a program as the kernel does: over the call's number, the interface and six arguments of 64 bits. */
function run(
  program: readonly FilterInstruction[],
  call: { readonly audit: number; readonly number: number; readonly args?: readonly bigint[] },
  order: 'LE' | 'BE' = 'LE',
): string {
  const data = Buffer.alloc(64);
  const write = (value: number, at: number) =>
    order === 'LE' ? data.writeUInt32LE(value, at) : data.writeUInt32BE(value, at);
  write(call.number >>> 0, 0);
  write(call.audit, 4);
  for (const [i, value] of (call.args ?? []).entries()) {
    if (order === 'LE') data.writeBigUInt64LE(value, 16 + 8 * i);
    else data.writeBigUInt64BE(value, 16 + 8 * i);
  }
  let loaded = 0;
  for (let at = 0; at < program.length; at += 1) {
    const { code, jt, jf, k } = program[at] as FilterInstruction;
    if (code === 0x20) loaded = order === 'LE' ? data.readUInt32LE(k) : data.readUInt32BE(k);
    else if (code === 0x15) at += loaded === k ? jt : jf;
    else if (code === 0x35) at += loaded >= k ? jt : jf;
    else if (code === 0x45) at += (loaded & k) !== 0 ? jt : jf;
    else if (code === 0x06) return k === 0x7fff_0000 ? allowed : `errno ${k - 0x5_0000}`;
    else throw new Error(`no such instruction: ${code}`);
  }
  throw new Error('the program ends without an answer');
}

describe.each(
  Object.entries(systemCallTables).flatMap(([arch, tables]) => tables.map((table) => [arch, table] as const)),
)('the filter of %s', (arch, table) => {
  const order = arch === 's390x' ? 'BE' : 'LE';
  const program = systemCallFilter({ arch, order }) ?? [];
  const ask = (number: number, ...args: bigint[]) => run(program, { audit: table.audit, number, args }, order);

  it('is one that the kernel takes', () => {
    expect(program.length).toBeLessThan(4096);
    for (const { jt, jf } of program) expect(Math.max(jt, jf)).toBeLessThan(256);
    expect(encodeFilter(program, order)).toHaveLength(8 * program.length);
  });

  it.each([1, 2, 10, 16])('lets sockets of family %i be made', (family) => {
    expect(ask(table.socket, BigInt(family), 1n)).toBe(allowed);
  });

  it.each([0, 3, 5, 9, 15, 17, 21, 29, 30, 31, 36, 38, 39, 40, 42, 43, 44, 45])(
    'refuses sockets of family %i',
    (family) => {
      expect(ask(table.socket, BigInt(family), 1n)).toBe('errno 97');
    },
  );

  it('is not misled by the high half of an argument', () => {
    expect(ask(table.socket, (1n << 32n) + 40n)).toBe('errno 97');
    expect(ask(table.unshare, (7n << 32n) + 0x1000_0000n)).toBe('errno 1');
  });

  it('refuses new user namespaces and nothing else of clone and unshare', () => {
    const clone = (flags: bigint) => (table.cloneFlags === 0 ? ask(table.clone, flags) : ask(table.clone, 0n, flags));
    expect([clone(0x1000_0011n), clone(0x7c02_0000n | 0x1000_0000n)]).toEqual(['errno 1', 'errno 1']);
    expect([clone(0x11n), clone(0x3d0f00n)]).toEqual([allowed, allowed]);
    expect([ask(table.unshare, 0x1000_0000n), ask(table.unshare, 0x2_0000n)]).toEqual(['errno 1', allowed]);
    // Its flags lie in memory; libraries go on with clone.
    expect(ask(table.clone3, 0x11n)).toBe('errno 38');
  });

  it('refuses keyrings, io_uring and what attacks on kernels begin with', () => {
    expect([...table.keys, ...table.ioUring].map((number) => ask(number))).toEqual(Array(6).fill('errno 38'));
    expect(table.kernel.map((number) => ask(number))).toEqual(Array(3).fill('errno 1'));
    if (table.socketcall !== undefined) expect(ask(table.socketcall, 1n)).toBe('errno 38');
  });

  it('leaves everything else alone', () => {
    const limited = [table.socket, table.socketcall, table.clone, table.clone3, table.unshare];
    const other = Array.from({ length: 470 }, (_, number) => number).filter(
      (number) => ![...limited, ...table.keys, ...table.ioUring, ...table.kernel].includes(number),
    );
    expect(new Set(other.map((number) => ask(number)))).toEqual(new Set([allowed]));
  });
});

it('refuses everything of an interface that it does not know', () => {
  const program = systemCallFilter({ arch: 'arm64', order: 'LE' }) ?? [];
  expect(run(program, { audit: 0x4000_0028, number: 281 })).toBe('errno 38');
});

it('refuses the third interface of x86', () => {
  const program = systemCallFilter({ arch: 'x64', order: 'LE' }) ?? [];
  expect(run(program, { audit: 0xc000_003e, number: 0x4000_0000 + 41, args: [40n] })).toBe('errno 38');
});

it.each(['mips', 'constructor', '__proto__', ''])('there is none for %j', (arch) => {
  expect(systemCallFilter({ arch, order: 'LE' })).toBeUndefined();
});
