import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem } from 'node:os';

/** The machine as far as it explains the numbers; nothing that names it or its owner. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly system: string;
  /** Of the directory in which bodies are spooled. */
  readonly fileSystem: string;
  readonly node: string;
  readonly openssl: string;
  /** One-minute load average before the first round: above a few tenths the numbers are worth less. */
  readonly loadBefore: number;
}

/** Numbers of statfs(2); the ones a spool may lie on. */
const fileSystems: Record<number, string> = {
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  801189825: 'zfs',
  16914836: 'tmpfs',
  2035054128: 'overlayfs',
  26985: 'nfs',
  4076150800: 'f2fs',
};

/** Describes this machine. `dir` is where the engines write. */
export async function describeMachine(dir: string): Promise<Machine> {
  const { type } = await statfs(dir);
  const loads = (await readFile('/proc/loadavg', 'utf8')).split(' ');
  return {
    cpu: cpuName(cpus()[0]?.model ?? 'unknown'),
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: (/^\d+(\.\d+)*/.exec(release()) ?? ['unknown'])[0],
    system: await systemName(),
    fileSystem: fileSystems[type] ?? `0x${type.toString(16)}`,
    node: process.versions.node,
    openssl: process.versions.openssl,
    loadBefore: Number(loads[0]),
  };
}

/** Short name for a file: processor and cores. */
export function shortMachineName({ cpu, cores }: Pick<Machine, 'cpu' | 'cores'>): string {
  const words = cpu
    .toLowerCase()
    .replace(/@.*$/, '')
    .replace(/\b(cpu|processor|\d+-core)\b/g, '')
    .match(/[a-z0-9]+/g);
  return [...(words ?? ['unknown']), `${cores}c`].join('-');
}

/** Name of a file below results/. */
export function resultFileName(date: string, machine: Machine, kind: string): string {
  return `${date.slice(0, 10)}-${shortMachineName(machine)}${kind === 'full' ? '' : `-${kind}`}.json`;
}

/** Without the marks of trade. */
function cpuName(model: string): string {
  return model
    .replace(/\((r|tm)\)/gi, '')
    .replace(/\s+/g, ' ')
    .trim();
}

async function systemName(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^PRETTY_NAME="?([^"\n]+)/m.exec(text)?.[1] ?? 'unknown';
}
