import { endianness } from 'node:os';
import { type SystemCallTable, systemCallTables } from './system-calls.js';

/** One instruction of the packet filter machine that seccomp runs. */
export interface FilterInstruction {
  readonly code: number;
  /** Instructions to skip when a comparison holds, and when it does not. */
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

const load = 0x20;
const jumpIfEqual = 0x15;
const jumpIfAtLeast = 0x35;
const jumpIfAnyBit = 0x45;
const answer = 0x06;

const allow = 0x7fff_0000;
const fail = (errno: number) => 0x0005_0000 + errno;
const notPermitted = fail(1);
const unknownCall = fail(38);
const unknownFamily = fail(97);

/** UNIX, IPv4, IPv6 and netlink: all of them end at the sandbox's own network. */
const families = [1, 2, 10, 16];
const newUserNamespace = 0x1000_0000;
/** Numbers of x86's third interface, which comes with 64-bit programs. */
const x32 = 0x4000_0000;

/**
 * What a sandboxed build may not ask of the kernel, because namespaces do not keep it in: sockets of families that know no
 * network namespace (VSOCK leads to the hypervisor, others to devices), keyrings of the host, io_uring (which would make such
 * sockets unseen), and new user namespaces with the capabilities that they give. Programs get the error that a kernel without
 * the feature gives, so they go on without it. Everything else is allowed.
 *
 * @returns undefined for processors whose numbers are not known: no sandbox there
 * @see https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html
 */
export function systemCallFilter(
  { arch, order }: { readonly arch: string; readonly order: 'LE' | 'BE' } = { arch: process.arch, order: endianness() },
): readonly FilterInstruction[] | undefined {
  const tables = Object.hasOwn(systemCallTables, arch) ? systemCallTables[arch] : undefined;
  if (!tables || (arch === 's390x') !== (order === 'BE')) return undefined;
  const isX64 = arch === 'x64';
  const program: FilterInstruction[] = [];
  for (const table of tables) {
    const rules = rulesOf(table, order);
    // Behind the architecture's own rules stand those of the next one.
    program.push(step(load, 4), branch(jumpIfEqual, table.audit, 0, rules.length + (isX64 ? 3 : 1)), step(load, 0));
    if (isX64) program.push(branch(jumpIfAtLeast, x32, 0, 1), step(answer, unknownCall));
    program.push(...rules);
  }
  program.push(step(answer, unknownCall));
  return program;
}

/** The bytes of a program as the kernel takes them: `struct sock_filter[]` in the processor's own order. */
export function encodeFilter(program: readonly FilterInstruction[], order: 'LE' | 'BE' = endianness()): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ code, jt, jf, k }, index) => {
    const at = index * 8;
    if (order === 'LE') bytes.writeUInt16LE(code, at);
    else bytes.writeUInt16BE(code, at);
    bytes.writeUInt8(jt, at + 2);
    bytes.writeUInt8(jf, at + 3);
    if (order === 'LE') bytes.writeUInt32LE(k, at + 4);
    else bytes.writeUInt32BE(k, at + 4);
  });
  return bytes;
}

/** With the call's number loaded. Each rule either answers or leaves the number loaded. */
function rulesOf(table: SystemCallTable, order: 'LE' | 'BE'): FilterInstruction[] {
  const { socketcall, ioUring, clone3, keys, kernel } = table;
  const unknown = [...ioUring, clone3, ...(socketcall === undefined ? [] : [socketcall]), ...keys];
  return [
    ...unknown.flatMap((number) => when(number, [step(answer, unknownCall)])),
    ...kernel.flatMap((number) => when(number, [step(answer, notPermitted)])),
    ...when(table.socket, [
      argument(0, order),
      ...families.flatMap((family) => [branch(jumpIfEqual, family, 0, 1), step(answer, allow)]),
      step(answer, unknownFamily),
    ]),
    ...[
      [table.clone, table.cloneFlags],
      [table.unshare, 0],
    ].flatMap(([number, index]) =>
      when(number as number, [
        argument(index as number, order),
        branch(jumpIfAnyBit, newUserNamespace, 0, 1),
        step(answer, notPermitted),
        step(answer, allow),
      ]),
    ),
    step(answer, allow),
  ];
}

function when(number: number, then: readonly FilterInstruction[]): FilterInstruction[] {
  return [branch(jumpIfEqual, number, 0, then.length), ...then];
}

/** Loads the low half of an argument. */
function argument(index: number, order: 'LE' | 'BE'): FilterInstruction {
  return step(load, 16 + 8 * index + (order === 'BE' ? 4 : 0));
}

function step(code: number, k: number): FilterInstruction {
  return { code, jt: 0, jf: 0, k };
}

function branch(code: number, k: number, jt: number, jf: number): FilterInstruction {
  return { code, jt, jf, k };
}
