import { dirname } from 'node:path';
import type { CreateSessionResponse, InspectorsConfigInput } from '@waybill/contracts';
import { CraftError } from '../errors.js';
import { type ControlClient, createControlClient } from './control-client.js';
import type { ControlEndpoint } from './control-request.js';
import { type Daemon, ensureDaemon } from './daemon.js';
import type { DaemonOptions } from './daemon-options.js';
import { followSession } from './follow-session.js';
import type { BuildSession, Policy } from './session.js';
import { discardLeftSessions, noteSession } from './session-notes.js';
import { sessionSections } from './session-sections.js';

/** A session to open. */
export interface ManagedSessionOptions extends DaemonOptions {
  readonly policy: Policy;
  /** The project's own `inspectors.yaml`. */
  readonly inspectors: InspectorsConfigInput | undefined;
  /** Finds or starts the service; a parameter for tests. */
  readonly daemon?: (options: DaemonOptions) => Promise<Daemon>;
  readonly retryDelaysMs?: readonly number[];
}

/**
 * Opens a session of a daemon on this machine, starting one when there is none.
 * @throws CraftError CRAFT_DAEMON_*, CRAFT_CONTROL_*, CRAFT_CONFIG_INVALID
 */
export async function openManagedSession(options: ManagedSessionOptions): Promise<BuildSession> {
  const find = options.daemon ?? ensureDaemon;
  const { daemon, client, created } = await create(options, find);
  const { id, token } = created;
  const proxy = new URL(daemon.runtime['proxy-url']);
  proxy.username = encodeURIComponent(id);
  proxy.password = encodeURIComponent(token);
  const forget = await noteSession(options.directories.state, id, daemon.runtime);
  const watching = new AbortController();
  let report: Promise<Record<string, unknown>> | undefined;
  return {
    kind: 'managed',
    id,
    policy: options.policy,
    proxyUrl: proxy.href.replace(/\/$/, ''),
    caPem: daemon.caPem,
    hide: [options.directories.state, dirname(options.directories.runtimeFile)],
    follow: (onEvent) => followSession(endpointOf(daemon), id, onEvent, watching.signal),
    finish() {
      watching.abort();
      report ??= readReport(client, id, token).catch((error: unknown) => {
        report = undefined;
        throw error;
      });
      return report;
    },
    keep: forget,
    async discard() {
      const problem = await discard(client, id);
      await forget();
      return problem;
    },
  };
}

interface Created {
  readonly daemon: Daemon;
  readonly client: ControlClient;
  readonly created: CreateSessionResponse;
}

async function create(
  options: ManagedSessionOptions,
  find: (options: DaemonOptions) => Promise<Daemon>,
): Promise<Created> {
  let daemon = await find(options);
  checkPolicy(daemon, options.policy);
  // The daemon may stop for idleness between being found and being asked, or die and be started again later on: whoever
  // answers under the runtime file then has the same spool, and so the same sessions.
  const client = createControlClient({
    endpoint: endpointOf(daemon),
    renew: async () => {
      daemon = await find({ ...options, signal: new AbortController().signal });
      return endpointOf(daemon);
    },
    ...(options.retryDelaysMs ? { retryDelaysMs: options.retryDelaysMs } : {}),
  });
  const { inspectors: project, directories, progress } = options;
  await discardLeftSessions(directories.state, { runtime: daemon.runtime, client });
  const sections = await sessionSections({ runtime: daemon.runtime, project, directories, progress });
  const created = await client.createSession({
    policy: options.policy,
    ...(sections ? { 'inspectors-configuration': sections } : {}),
  });
  return { daemon, client, created };
}

function checkPolicy(daemon: Daemon, policy: Policy): void {
  if (policy === 'strict' || daemon.runtime.permissive) return;
  throw new CraftError('CRAFT_CONTROL_DENIED', 'the running fetch service allows strict sessions only', {
    hint: 'start it with --permissive-mode, or pack with --enable-fetch-service=strict',
  });
}

async function readReport(client: ControlClient, id: string, token: string): Promise<Record<string, unknown>> {
  try {
    await client.revoke(id, token);
    return await client.report(id);
  } catch (cause) {
    throw new CraftError(
      'CRAFT_REPORT_LOST',
      `the report of session ${id} could not be read: ${(cause as Error).message}`,
      {
        hint: `the fetch service keeps it: start it again and read /session/${id} of its control API`,
        cause,
      },
    );
  }
}

async function discard(client: ControlClient, id: string): Promise<string | undefined> {
  try {
    await client.endSession(id);
    await client.deleteResources(id);
    return undefined;
  } catch (error) {
    return `session ${id} could not be removed from the fetch service: ${(error as Error).message}`;
  }
}

function endpointOf(daemon: Daemon): ControlEndpoint {
  return { url: daemon.runtime['control-url'], auth: daemon.runtime.auth };
}
