/** Numbers of the system calls that a sandbox limits, on one kind of processor. */
export interface SystemCallTable {
  /** `AUDIT_ARCH_*`: what the kernel calls this interface. */
  readonly audit: number;
  /** Which argument of `clone` holds the flags. */
  readonly cloneFlags: 0 | 1;
  readonly socket: number;
  /** Where sockets are also made through one call whose arguments lie in memory, out of a filter's sight. */
  readonly socketcall?: number;
  readonly clone: number;
  readonly clone3: number;
  readonly unshare: number;
  /** io_uring makes sockets without `socket`. */
  readonly ioUring: readonly number[];
  /** Keyrings: they are the host's, also of processes in other namespaces. */
  readonly keys: readonly number[];
  /** bpf, perf_event_open, userfaultfd: parts of the kernel that attacks begin with and builds do not need. */
  readonly kernel: readonly number[];
}

const isLittleEndian = 0x4000_0000;
const is64Bit = 0x8000_0000;
const ioUring = [425, 426, 427];
const clone3 = 435;

/** Since Linux 3.7 new architectures share one table. */
const generic: Omit<SystemCallTable, 'audit'> = {
  cloneFlags: 0,
  socket: 198,
  clone: 220,
  clone3,
  unshare: 97,
  ioUring,
  keys: [217, 218, 219],
  kernel: [280, 241, 282],
};

const i386: SystemCallTable = {
  audit: 3 + isLittleEndian,
  cloneFlags: 0,
  socket: 359,
  socketcall: 102,
  clone: 120,
  clone3,
  unshare: 310,
  ioUring,
  keys: [286, 287, 288],
  kernel: [357, 336, 374],
};

/**
 * By `process.arch`; the first table is the processor's own, another one is of programs of its 32-bit predecessor.
 * @see the kernel's include/uapi/linux/audit.h and its asm/unistd.h of each architecture
 */
export const systemCallTables: Readonly<Record<string, readonly SystemCallTable[]>> = {
  x64: [
    {
      audit: 62 + is64Bit + isLittleEndian,
      cloneFlags: 0,
      socket: 41,
      clone: 56,
      clone3,
      unshare: 272,
      ioUring,
      keys: [248, 249, 250],
      kernel: [321, 298, 323],
    },
    i386,
  ],
  arm64: [{ audit: 183 + is64Bit + isLittleEndian, ...generic }],
  riscv64: [{ audit: 243 + is64Bit + isLittleEndian, ...generic }],
  loong64: [{ audit: 258 + is64Bit + isLittleEndian, ...generic }],
  ppc64: [
    {
      audit: 21 + is64Bit + isLittleEndian,
      cloneFlags: 0,
      socket: 326,
      socketcall: 102,
      clone: 120,
      clone3,
      unshare: 282,
      ioUring,
      keys: [269, 270, 271],
      kernel: [361, 319, 364],
    },
  ],
  s390x: [
    {
      audit: 22 + is64Bit,
      cloneFlags: 1,
      socket: 359,
      socketcall: 102,
      clone: 120,
      clone3,
      unshare: 303,
      ioUring,
      keys: [278, 279, 280],
      kernel: [351, 331, 355],
    },
  ],
};
