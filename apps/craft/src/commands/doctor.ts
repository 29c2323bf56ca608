import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyClientSetup, type ClientProbe, clientProbes, createClientSetup } from '@waybill/client-setup';
import { toolchains } from '../build/toolchains.js';
import { type DoctorOrigin, startDoctorOrigin } from '../doctor/doctor-origin.js';
import { type ProxyTap, startProxyTap } from '../doctor/proxy-tap.js';
import { type ClientFinding, clientVersion, type ProbeRun, runProbe } from '../doctor/run-probe.js';
import { openThrowAwaySession } from '../doctor/throw-away-session.js';
import { createHostEnvironment } from '../environments/host.js';
import { CraftError } from '../errors.js';
import { openExternalSession } from '../session/external.js';
import type { BuildSession } from '../session/session.js';
import type { CommandContext } from './command-context.js';

/** Options of `craft doctor`. */
export interface DoctorOptions {
  /** `http://id:token@host:port` of a session to try; a throw-away one when undefined. */
  readonly session: string | undefined;
  /** File with that session's CA; CRAFT_PROXY_CERT when undefined. */
  readonly ca: string | undefined;
  /** Names of clients; all when empty. */
  readonly clients: readonly string[];
}

/** What `craft doctor` found. */
export interface DoctorResult {
  readonly findings: readonly ClientFinding[];
  /** Clients that are not installed. */
  readonly missing: readonly string[];
}

/** Exists nowhere: what answers for it decides nothing about the machine's network. */
const host = 'doctor.example';
/** What a client needs of its user to run at all. Nothing that says where or how to connect. */
const carried = /^(?:PATH|HOME|USER|LOGNAME|LANG|LC_[A-Z]+|TZ|JAVA_HOME|PYENV_ROOT|XDG_RUNTIME_DIR)$/;

/**
 * Runs each installed client once through a session and sees whether it used the proxy, trusted the CA and was let in.
 * @throws CraftError CRAFT_USAGE, CRAFT_EXTERNAL_*, CRAFT_DAEMON_*
 */
export async function doctor(
  command: Omit<CommandContext, 'project' | 'projectDirectory'>,
  options: DoctorOptions,
): Promise<DoctorResult> {
  const probes = chosen(options.clients);
  const dir = await mkdtemp(join(tmpdir(), 'craft-doctor-'));
  const closing: (() => Promise<unknown>)[] = [() => rm(dir, { recursive: true, force: true })];
  try {
    const { session, origin } = await openSession(command, options, dir, closing);
    const tap = await startProxyTap(session.proxyUrl);
    closing.push(() => tap.close());
    return await tryClients({ command, probes, dir, session, tap, origin, closing });
  } finally {
    for (const close of closing.reverse()) await close().catch(() => undefined);
  }
}

function chosen(names: readonly string[]): readonly ClientProbe[] {
  const unknown = names.find((name) => !clientProbes.some((probe) => matches(probe, name)));
  if (unknown !== undefined) {
    throw new CraftError('CRAFT_USAGE', `there is no client \`${unknown}\` to try`, {
      hint: `its clients are: ${clientProbes.map(({ name }) => name).join(', ')}`,
    });
  }
  return names.length === 0 ? clientProbes : clientProbes.filter((probe) => names.some((name) => matches(probe, name)));
}

function matches({ name }: ClientProbe, wanted: string): boolean {
  return name === wanted || name.split(' ')[0] === wanted;
}

type Command = Parameters<typeof doctor>[0];
type Closing = (() => Promise<unknown>)[];

async function openSession(
  command: Command,
  options: DoctorOptions,
  dir: string,
  closing: Closing,
): Promise<{ session: BuildSession; origin: DoctorOrigin | undefined }> {
  const { session: url, ca } = options;
  if (url !== undefined) {
    const certificate = ca ?? command.env.CRAFT_PROXY_CERT;
    const env = { http_proxy: url, https_proxy: url, ...(certificate && { CRAFT_PROXY_CERT: certificate }) };
    return { session: await openExternalSession(env), origin: undefined };
  }
  const origin = await startDoctorOrigin();
  closing.push(() => origin.close());
  const throwAway = await openThrowAwaySession({ ...command, dir, origin });
  closing.push(() => throwAway.close());
  return { session: throwAway.session, origin };
}

interface Trial {
  readonly command: Command;
  readonly probes: readonly ClientProbe[];
  readonly dir: string;
  readonly session: BuildSession;
  readonly tap: ProxyTap;
  readonly origin: DoctorOrigin | undefined;
  readonly closing: Closing;
}

async function tryClients(trial: Trial): Promise<DoctorResult> {
  const { command, probes, dir, tap, origin } = trial;
  const direct = await prepare(trial, 'direct', tap.url);
  const relay = await createHostEnvironment({ sessionProxyUrl: tap.url });
  trial.closing.push(() => relay.close());
  const relayed = await prepare(trial, 'relayed', relay.proxyUrl);
  const findings: ClientFinding[] = [];
  const missing: string[] = [];
  for (const probe of probes) {
    command.signal.throwIfAborted();
    command.progress.task(`trying ${probe.name}`);
    const { env, clients } = probe.takesCredentials ? direct : relayed;
    const target = probe.host ?? host;
    const run: Omit<ProbeRun, 'version'> = {
      ...{ probe, host: target, dir, clients, env, environment: relay, take: tap.take },
      ...{ isAnswered: origin !== undefined, signal: command.signal },
    };
    const version = await clientVersion(probe, run);
    origin?.serve(probe.pages(target));
    if (version === undefined) missing.push(probe.name);
    else findings.push(await runProbe({ ...run, version }));
  }
  return { findings, missing };
}

/** Variables and files as builds get them, without the user's registries: those are not what is tried. */
async function prepare(
  { command, session, dir }: Trial,
  name: string,
  proxyUrl: string,
): Promise<{ env: Record<string, string>; clients: string }> {
  const base = Object.fromEntries(Object.entries(command.env).filter(([key]) => carried.test(key)));
  const clients = join(dir, name);
  const { HOME: _, ...hostEnv } = base;
  const setup = await createClientSetup({ proxyUrl, caPem: session.caPem, dir: clients, hostEnv });
  return { env: applyClientSetup({ ...base, ...toolchains(command.env).env }, setup), clients };
}
