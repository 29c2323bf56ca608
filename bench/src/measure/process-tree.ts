import { readdir, readFile, writeFile } from 'node:fs/promises';

/** Clock ticks a second in `/proc/<pid>/stat`: USER_HZ, 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** Own time and that of children that have ended and were waited for. */
  readonly cpuMs: number;
}

/** Reads `/proc/<pid>/stat`; the name in parentheses may hold anything, so fields are counted from its end. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
  return { pid: Number.parseInt(text, 10), parent: Number(fields[1]), cpuMs: (ticks * 1000) / ticksPerSecond };
}

/** A process and all below it that live now. */
async function treeOf(root: number): Promise<ProcessStat[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const read = pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').then(parseStat, () => undefined));
  const all = (await Promise.all(read)).filter((stat) => stat !== undefined);
  const below = (pid: number): ProcessStat[] =>
    all.filter((stat) => stat.parent === pid).flatMap((stat) => [stat, ...below(stat.pid)]);
  return [...all.filter((stat) => stat.pid === root), ...below(root)];
}

/** Processor time of a process, its threads and its children since they started, ms. */
export async function cpuMsOf(root: number): Promise<number> {
  return (await treeOf(root)).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}

/** Makes the kernel forget the peaks so far, so that {@link peakRssOf} tells those of what comes next. */
export async function resetPeakRss(root: number): Promise<void> {
  for (const { pid } of await treeOf(root)) await writeFile(`/proc/${pid}/clear_refs`, '5').catch(() => {});
}

/** Largest resident memory of a process and its children since the reset, bytes; shared pages count for each. */
export async function peakRssOf(root: number): Promise<number> {
  return (await readMemory(root)).peakOfAll;
}

export interface ResidentMemory {
  /** Of the largest process now, bytes. */
  readonly largest: number;
  /** Highest of one process since the reset. */
  readonly peak: number;
  /** Sum of the peaks of all. */
  readonly peakOfAll: number;
}

/** Resident memory of a process and its children. */
export async function readMemory(root: number): Promise<ResidentMemory> {
  const tree = await treeOf(root);
  const all = await Promise.all(tree.map(({ pid }) => readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')));
  const peaks = all.map((status) => parseMemory(status, 'VmHWM'));
  return {
    largest: Math.max(0, ...all.map((status) => parseMemory(status, 'VmRSS'))),
    peak: Math.max(0, ...peaks),
    peakOfAll: peaks.reduce((sum, peak) => sum + peak, 0),
  };
}

/** Open files of a process and its children. */
export async function openFilesOf(root: number): Promise<number> {
  const tree = await treeOf(root);
  const all = await Promise.all(tree.map(({ pid }) => readdir(`/proc/${pid}/fd`).catch(() => [])));
  return all.reduce((sum, files) => sum + files.length, 0);
}

/** `VmHWM:  1234 kB` of `/proc/<pid>/status`, bytes. */
export function parseMemory(status: string, field: 'VmHWM' | 'VmRSS'): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
}
