import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientProbe } from '@waybill/client-setup';
import { redactText } from '@waybill/contracts';
import type { BuildEnvironment } from '../environments/environment.js';
import { safeLine } from '../output/safe-line.js';
import type { SeenConnection } from './connection-watch.js';

/** What was seen of one client. */
export interface ClientFinding {
  readonly client: string;
  readonly version: string | undefined;
  readonly proxy: 'used' | 'passed by';
  readonly ca: 'accepted' | 'rejected' | 'not tried';
  /** `by relay`: the client sends none itself; craft's relay does it for builds. */
  readonly auth: 'accepted' | 'rejected' | 'not sent' | 'by relay';
  readonly verdict: 'works' | 'fails';
  /** Last lines of what a client that fails printed. */
  readonly output: readonly string[];
  /** What a client that fails needs, where that is known. */
  readonly hint?: string;
}

/** What a client is tried with. */
export interface ProbeRun {
  readonly probe: ClientProbe;
  readonly version: string | undefined;
  readonly host: string;
  /** Directory to make the current one in. */
  readonly dir: string;
  /** Folder of the client setup. */
  readonly clients: string;
  readonly env: Readonly<Record<string, string>>;
  readonly environment: BuildEnvironment;
  /** Connections that the run made to the proxy, see `ProxyTap`. */
  readonly take: () => SeenConnection[];
  /** Whether the origin answers as the probe wants; a session of somebody else need not. */
  readonly isAnswered: boolean;
  readonly signal: AbortSignal;
}

const timeoutMs = 60_000;
const mostOutput = 64 << 10;

/** Finds out the version of a client; undefined when it is not installed. */
export async function clientVersion(
  probe: ClientProbe,
  run: Pick<ProbeRun, 'environment' | 'env' | 'dir' | 'signal'>,
): Promise<string | undefined> {
  const { output, isDone } = await execute(probe.version, run.dir, run);
  return isDone ? versionIn(output, probe.name) : undefined;
}

/** The first number that looks like a version, in the line that names the client if there is one. */
function versionIn(output: string, name: string): string {
  // JVMs print the options that variables give them, with addresses in them.
  const lines = output.split('\n').filter((line) => !/^(?:NOTE: )?Picked up /.test(line));
  const [word = ''] = name.toLowerCase().split(' ');
  const named = lines.filter((line) => line.toLowerCase().includes(word));
  const found = [...named, ...lines].map((line) => /\d+(?:\.\d+)+[\w.+~-]*/.exec(line.slice(0, 1000))?.[0]);
  return found.find((version) => version !== undefined) ?? '?';
}

/** Runs a client once and judges what it did. */
export async function runProbe(run: ProbeRun): Promise<ClientFinding> {
  const { probe, host } = run;
  const work = await mkdtemp(join(run.dir, 'work-'));
  try {
    for (const [name, text] of Object.entries(probe.files?.(host) ?? {})) await writeFile(join(work, name), text);
    run.take();
    const { output } = await execute(probe.command({ host, dir: work, clients: run.clients }), work, run);
    return judge(run, run.take(), output);
  } finally {
    await rm(work, { recursive: true, force: true }).catch(() => undefined);
  }
}

function judge(run: ProbeRun, connections: readonly SeenConnection[], output: string): ClientFinding {
  const { probe, version, host } = run;
  const own = connections.filter((connection) => connection.host === host);
  const isAuthorized = own.some((connection) => connection.isAuthorized);
  const tries = own.flatMap(({ acceptedCa }) => acceptedCa ?? []);
  const ca = tries.includes(true) ? 'accepted' : tries.length > 0 ? 'rejected' : 'not tried';
  const works = isAuthorized && (probe.isPlain || ca === 'accepted') && (!run.isAnswered || probe.output.test(output));
  return {
    client: probe.name,
    version,
    proxy: own.length > 0 ? 'used' : 'passed by',
    ca,
    auth: authOf(probe, own, isAuthorized),
    verdict: works ? 'works' : 'fails',
    output: works ? [] : lastLines(output),
    ...(!works && probe.needs !== undefined && { hint: probe.needs }),
  };
}

function authOf(probe: ClientProbe, own: readonly SeenConnection[], isAuthorized: boolean): ClientFinding['auth'] {
  if (isAuthorized) return probe.takesCredentials ? 'accepted' : 'by relay';
  return own.some(({ sentCredentials }) => sentCredentials) ? 'rejected' : 'not sent';
}

function lastLines(output: string): string[] {
  const lines = redactText(output)
    .split('\n')
    .map((line) => safeLine(line).trim().slice(0, 300));
  return lines.filter((line) => line !== '').slice(-5);
}

async function execute(
  argv: readonly [string, ...string[]],
  cwd: string,
  { environment, env, signal }: Pick<ProbeRun, 'environment' | 'env' | 'signal'>,
): Promise<{ output: string; isDone: boolean }> {
  let output = '';
  const add = (chunk: Buffer) => {
    if (output.length < mostOutput) output += chunk.toString('utf8');
  };
  try {
    const result = await environment.run({
      argv,
      cwd,
      env,
      onStdout: add,
      onStderr: add,
      network: 'session',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    return { output, isDone: result.exitCode === 0 };
  } catch (error) {
    signal.throwIfAborted();
    return { output: `${output}${(error as Error).message}\n`, isDone: false };
  }
}
