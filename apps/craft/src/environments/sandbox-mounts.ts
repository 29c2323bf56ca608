import { existsSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { hostSockets } from './host-sockets.js';
import type { PrivatePath } from './private-paths.js';

export interface SandboxMounts {
  /** Host directories that the build may write, visible under the same names. */
  readonly writable: readonly string[];
  /** Host files and directories shown read-only under the same names although a mask covers them. */
  readonly readable: readonly string[];
  /** Host directories that the build must not see. */
  readonly hide: readonly string[];
  /** Paths that root's sandbox could read and an ordinary user's could not. */
  readonly privatePaths: readonly PrivatePath[];
  /** `PATH` of the build: tools below a masked home directory stay usable. */
  readonly path: string;
}

/** Emptied in the sandbox: sockets of other programs, secrets, other users' files. */
const masked = [
  ...['/tmp', '/var/tmp', '/run', '/home', '/root', '/mnt', '/media'],
  ...['/etc/ssh', '/etc/ssl/private', '/etc/apt/auth.conf.d'],
  ...['/var/lib/docker', '/var/lib/containerd', '/var/log', '/var/mail', '/var/spool', '/var/backups', '/var/crash'],
  // What the kernel tells of the machine, as container engines hide it.
  ...['/proc/acpi', '/proc/asound', '/proc/scsi', '/sys/firmware', '/sys/kernel/debug', '/sys/kernel/tracing'],
];
/** Files that hold secrets; shown as empty. */
const emptied = [
  ...['/etc/shadow', '/etc/shadow-', '/etc/gshadow', '/etc/gshadow-', '/etc/apt/auth.conf', '/etc/sudoers'],
  ...['/proc/kcore', '/proc/keys', '/proc/sched_debug', '/proc/timer_list', '/proc/latency_stats'],
];

/**
 * Bubblewrap's mount options on top of the read-only root: everything that could hold a secret or a way out is emptied, and on
 * top of that comes what the build needs. The order is the order in which bubblewrap applies them.
 */
export function mountArguments(mounts: SandboxMounts): string[] {
  const { hidden, covered } = masks(mounts);
  const args: string[] = [];
  const empty = (path: string, isDirectory: boolean) =>
    args.push(...(isDirectory ? ['--tmpfs', path] : ['--ro-bind', '/dev/null', path]));
  for (const path of hidden) empty(path, true);
  for (const path of emptied) if (existsSync(path) && !isBelowAny(path, hidden)) empty(path, false);
  for (const { path, isDirectory } of mounts.privatePaths) {
    if (!isBelowAny(path, [...hidden, ...emptied])) empty(path, isDirectory);
  }
  for (const path of [...toolDirectories(mounts.path, hidden), ...mounts.readable]) {
    if (existsSync(path)) args.push('--ro-bind', path, path);
  }
  for (const path of mounts.writable) args.push('--bind', path, path);
  for (const path of covered) empty(path, true);
  for (const path of visibleOf(hostSockets(), mounts)) empty(path, false);
  return args;
}

/** Those of the paths that no mask covers. */
export function visibleOf(paths: readonly string[], mounts: SandboxMounts): string[] {
  if (paths.length === 0) return [];
  const { hidden, covered } = masks(mounts);
  const shown = [...mounts.readable, ...mounts.writable];
  return paths.filter((path) => !isBelowAny(path, covered) && (!isBelowAny(path, hidden) || isBelowAny(path, shown)));
}

function masks({ hide }: SandboxMounts): { readonly hidden: readonly string[]; readonly covered: readonly string[] } {
  const home = homedir();
  const hidden = [...masked, ...(isBelowAny(home, masked) || home === '/' ? [] : [home])].filter(isRealDirectory);
  return { hidden, covered: hide.filter(isRealDirectory) };
}

/**
 * Directories of `path` that a mask covers, and where they are the `bin` of a prefix (`bin` beside `lib`), the libraries of
 * that prefix as well: nothing else of a home directory becomes visible.
 */
function toolDirectories(path: string, hidden: readonly string[]): string[] {
  const found = new Set<string>();
  for (const directory of path.split(':')) {
    if (!isAbsolute(directory) || !isBelowAny(directory, hidden) || !existsSync(directory)) continue;
    found.add(directory);
    if (basename(directory) !== 'bin') continue;
    for (const name of ['lib', 'lib64', 'libexec', 'include']) {
      const beside = join(dirname(directory), name);
      if (existsSync(beside)) found.add(beside);
    }
  }
  return [...found];
}

function isBelowAny(path: string, parents: readonly string[]): boolean {
  return parents.some((parent) => {
    const inside = relative(parent, path);
    return inside === '' || !(inside === '..' || inside.startsWith('../') || isAbsolute(inside));
  });
}

/** A mask over a symbolic link (`/var/run` → `/run`) would fail: its target is masked instead. */
function isRealDirectory(path: string): boolean {
  try {
    return realpathSync(path) === path;
  } catch {
    return false;
  }
}
