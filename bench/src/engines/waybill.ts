import type { SessionPolicy } from '@waybill/contracts';
import { BenchError } from '../bench-error.ts';
import { runProgram } from '../processes/run-program.ts';
import type { ReportCounts } from './control-api.ts';
import type { Availability, Engine, RunningEngine, Site } from './engine.ts';
import { pinsOf } from './pins.ts';
import { launcher, startDaemon } from './waybill-daemon.ts';

export interface WaybillOptions {
  readonly id: string;
  readonly policy: SessionPolicy;
  readonly does: string;
  /** Processes of the service; absent: what the benchmark is told. */
  readonly processes?: number;
  readonly longWorks?: boolean;
}

/** The built daemon as it is shipped. Every body that is asked for has its digest in the session's configuration. */
export function waybill(options: WaybillOptions): Engine {
  const { id, does, longWorks = false } = options;
  return {
    id,
    does,
    needsToKnowBodies: true,
    longWorks,
    find: () => find(options),
    start: (site) => start(options, site),
  };
}

export const waybillStrict = waybill({
  id: 'waybill-strict',
  policy: 'strict',
  does: 'verifies each body against its pinned digest before the client has all of it; hashes, stores and records durably',
  longWorks: true,
});

/** The same configuration and the same inspection; bodies are not held back. */
export const waybillPermissive = waybill({
  id: 'waybill-permissive',
  policy: 'permissive',
  does: 'the same inspection, hashing, storing and durable record; lets bodies through while it inspects',
});

async function find({ processes }: WaybillOptions): Promise<Availability> {
  try {
    const version = /\d+\.\d+\.\d+\S*/.exec(await runProgram(launcher, ['--version']))?.[0] ?? 'unknown';
    const help = processes === undefined ? '' : await runProgram(launcher, ['--help']);
    if (processes === undefined || help.includes('--processes')) return { version };
    return { missing: 'this fetch-service has no option --processes' };
  } catch (error) {
    return { missing: `tooling/bin/fetch-service does not run: ${(error as Error).message.split('\n').at(-1)}` };
  }
}

async function start({ policy, processes }: WaybillOptions, site: Site): Promise<RunningEngine> {
  const { upstream, ca } = site;
  const daemon = await startDaemon(site, processes ?? site.processes);
  return {
    pid: daemon.pid,
    stop: daemon.stop,
    readMetrics: () => daemon.control.readMetrics(),
    async open(bodies) {
      const files = pinsOf(upstream, bodies);
      const session = await daemon.control.createSession(policy, { generic: { files } });
      const authorization = `Basic ${Buffer.from(`${session.id}:${session.token}`).toString('base64')}`;
      const proxy = { address: daemon.proxyAddress, authorization };
      return {
        route: { proxy, host: upstream.host, port: upstream.port, ca: [ca.certPem] },
        finish: async (downloads) => checkReport(await daemon.control.closeSession(session), downloads),
        remove: () => daemon.control.removeSession(session),
      };
    },
  };
}

/** @throws BenchError `BENCH_RECORD_INCOMPLETE` */
export function checkReport({ downloads, rejected }: ReportCounts, wanted: number): void {
  if (downloads === wanted && rejected === 0) return;
  const what = `${downloads} downloads, ${rejected} of artifacts that are not approved`;
  throw new BenchError('BENCH_RECORD_INCOMPLETE', `clients completed ${wanted}; the report holds ${what}`);
}
