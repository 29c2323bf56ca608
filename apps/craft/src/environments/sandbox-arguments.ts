import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** Whether this process is root: then files that only root may read would be readable inside, too. */
export const isRoot = process.geteuid?.() === 0;

/**
 * Who the build is inside. Root is mapped to an ordinary user: programs that find themselves root change owners of files (tar,
 * npm, cp), which no user namespace lets them do. Everybody else stays who they are.
 */
export const identityInside = isRoot ? { uid: 1000, gid: 1000 } : undefined;

/**
 * What every sandbox has, also the one that is started as a probe: own user, process, network, IPC, cgroup and host-name
 * namespaces, no capabilities, no terminal of ours, and an end when we end.
 */
export function isolationArguments(): string[] {
  return [
    ...[
      '--unshare-user',
      '--unshare-all',
      '--cap-drop',
      'ALL',
      '--die-with-parent',
      '--new-session',
      '--hostname',
      'waybill',
    ],
    ...(identityInside ? ['--uid', String(identityInside.uid), '--gid', String(identityInside.gid)] : []),
    ...['--ro-bind', '/', '/', '--dev', '/dev', '--proc', '/proc'],
    // Inside, root is an ordinary user by name only: to the kernel's settings (core_pattern, sysrq) it is the owner of their files.
    ...['--remount-ro', '/proc'],
  ];
}

/**
 * bubblewrap's own place, looked up where *we* were started: the build's PATH has directories that the build writes, and a
 * `bwrap` in one of them would run outside of any sandbox.
 */
export function findBubblewrap(path = process.env.PATH ?? '/usr/bin:/bin'): string | undefined {
  return path
    .split(delimiter)
    .filter(isAbsolute)
    .map((directory) => join(directory, 'bwrap'))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
