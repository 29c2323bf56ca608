import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { run } from './run.js';
import { createTempDir } from './temp-dir.js';
import { until } from './until.js';

/** A real sshd of the test on a port of its own. */
export interface Sshd {
  /** What it logged so far. */
  output(): string;
  close(): Promise<void>;
}

const program = '/usr/sbin/sshd';

/** Why there can be no sshd of the test here; undefined when there can. */
export async function noSshd(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'sshd lets other users in only for root';
  const found = await run(program, ['-V']).catch(() => undefined);
  return found ? undefined : 'there is no OpenSSH server (apt: openssh-server)';
}

/** Starts sshd with the given lines, `Port` among them, a host key of its own, and nothing of the machine's configuration. */
export async function startSshd(port: number, lines: readonly string[]): Promise<Sshd> {
  const dir = await createTempDir();
  // Where sshd goes with its privileges off; the machine's service makes it, but need not run here.
  await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  const key = dir.at('host_key');
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const config = dir.at('sshd_config');
  const own = ['ListenAddress 127.0.0.1', `HostKey ${key}`, `PidFile ${dir.at('pid')}`, 'UsePAM no'];
  await writeFile(config, `${[...own, ...lines].join('\n')}\n`);
  await chmod(dir.path, 0o755);
  const child: ChildProcess = spawn(program, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const close = async () => {
    child.kill();
    await ended;
    await dir.close();
  };
  try {
    await until('sshd listens', async () => {
      if (child.exitCode !== null) throw new Error(`sshd ended with ${child.exitCode}: ${output}`);
      return await answers(port);
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { output: () => output, close };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
