import { closeSync, readdirSync, readFileSync } from 'node:fs';

const closeOnExec = 0o2000000;

/**
 * Closes descriptors above standard error that this process inherited and that every program it starts would inherit as
 * well: a pipe or socket of whoever started us must not be a way out of the sandbox. Node marks all of its own close-on-exec,
 * so what lacks the mark is inherited. Linux only; elsewhere there is no sandbox.
 */
export function closeInheritedDescriptors(): void {
  for (const name of descriptors()) {
    const descriptor = Number(name);
    if (descriptor <= 2 || isCloseOnExec(name)) continue;
    try {
      closeSync(descriptor);
    } catch {
      // It was the one that the listing itself used.
    }
  }
}

function descriptors(): string[] {
  try {
    return readdirSync('/proc/self/fd');
  } catch {
    return [];
  }
}

function isCloseOnExec(name: string): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, 'utf8'))?.[1];
    return flags === undefined || (Number.parseInt(flags, 8) & closeOnExec) !== 0;
  } catch {
    return true;
  }
}
