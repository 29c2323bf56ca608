import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../processes/run-program.ts';
import { answerQuery } from './dns-message.ts';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/** As many host names on this machine as wanted, for programs that are started through {@link wrap}. */
export interface HostNames {
  /** Every name with this ending is 127.0.0.1. */
  readonly suffix: string;
  wrap(command: Command): Command;
  stop(): void;
}

/** A name that exists nowhere (RFC 6761 §6.5). */
const suffix = '.hosts.example';
/** Resolver configurations know no port but 53; an address of its own collides with no resolver of the machine. */
const address = '127.83.66.1';
const port = 53;

const script = 'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"';

/**
 * Starts a name server on this machine. Programs get at it in a mount namespace of their own, where `/etc/resolv.conf`
 * names it: what an engine does to resolve a name is part of what is measured, and nothing on the machine changes.
 * @returns the reason when the machine does not let us; it takes root
 */
export async function startHostNames(dir: string): Promise<HostNames | { readonly missing: string }> {
  const resolver = join(dir, 'resolv.conf');
  const order = join(dir, 'nsswitch.conf');
  await writeFile(resolver, `nameserver ${address}\n`, { mode: 0o644 });
  await writeFile(order, 'hosts: files dns\npasswd: files\ngroup: files\n', { mode: 0o644 });
  const wrap = ({ program, args }: Command): Command => ({
    program: 'unshare',
    args: ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', resolver, order, program, ...args],
  });
  const socket = createSocket('udp4');
  const stop = () => void socket.close();
  try {
    await Promise.all(['/etc/resolv.conf', '/etc/nsswitch.conf'].map((file) => access(file)));
    const test = wrap({ program: 'true', args: [] });
    await runProgram(test.program, test.args);
    socket.on('message', (query, from) => {
      const answer = answerQuery(query, suffix);
      if (answer) socket.send(answer, from.port, from.address);
    });
    socket.bind(port, address);
    await once(socket, 'listening');
  } catch (error) {
    stop();
    const why = (error as Error).message.trim().split('\n').at(-1);
    return { missing: `host names of its own take root and mount namespaces: ${why}` };
  }
  return { suffix, wrap, stop };
}
