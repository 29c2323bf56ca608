import { BenchError } from '../bench-error.ts';
import type { Session } from '../engines/control-api.ts';
import { watchMemory } from '../measure/memory.ts';
import { cpuMsOf, readMemory } from '../measure/process-tree.ts';
import { small } from '../upstream/made-body.ts';
import { countIn } from './count-in.ts';
import type { Micro, MicroContext } from './micro.ts';

const mib = 1024 * 1024;
/** Bounds the fetching, which is not measured here. */
const fetchMs = 240_000;

/** The report of a session with very many artifacts: how long it takes and what memory the service needs for it. */
export const largeReport: Micro = {
  id: 'large-report',
  async run(context) {
    const { daemon, scale } = context;
    const session = await fillSession(context);
    await daemon.control.revokeToken(session);
    const before = (await readMemory(daemon.pid)).largest / mib;
    const cpu = await cpuMsOf(daemon.pid);
    const { result, memory } = await watchMemory(daemon.pid, 1_000, () => readReport(context, session));
    const cpuMs = (await cpuMsOf(daemon.pid)) - cpu;
    if (result.artifacts !== scale.artifacts) {
      const what = `clients completed ${scale.artifacts}; the report holds ${result.artifacts} artifacts`;
      throw new BenchError('BENCH_RECORD_INCOMPLETE', what);
    }
    const of = `report of ${scale.artifacts} artifacts`;
    return [
      { title: `${of}, until its first byte`, unit: 'ms', value: result.firstByteMs },
      { title: `${of}, whole`, unit: 's', value: result.totalMs / 1000 },
      { title: `${of}, processor time`, unit: 's', value: cpuMs / 1000 },
      { title: `${of}, size`, unit: 'MiB', value: result.bytes / mib },
      { title: `${of}, memory before it`, unit: 'MiB', value: before },
      { title: `${of}, peak memory of a process`, unit: 'MiB', value: memory.peak, below: 200 },
    ];
  },
};

/** A permissive session without pins: every body is recorded, and nothing had to be known before. */
async function fillSession({ daemon, driver, upstream, ca, scale, say }: MicroContext): Promise<Session> {
  const session = await daemon.control.createSession('permissive', {});
  const authorization = `Basic ${Buffer.from(`${session.id}:${session.token}`).toString('base64')}`;
  const proxy = { address: daemon.proxyAddress, authorization };
  const route = { proxy, host: upstream.host, port: upstream.port, ca: [ca.certPem] };
  const bodies = { ...small, first: 0, end: scale.artifacts };
  say(`fetching ${scale.artifacts} bodies for a report`);
  const load = { clients: 32, warmUpMs: 0, measureMs: fetchMs };
  const { completedEver } = await driver.run({ kind: 'kept', route, bodies, ...load });
  if (completedEver === scale.artifacts) return session;
  const what = `${completedEver} of ${scale.artifacts} bodies came within ${fetchMs / 1000} s`;
  throw new BenchError('BENCH_ENGINE_FAILED', what);
}

async function readReport({ daemon }: MicroContext, session: Session) {
  const begin = performance.now();
  // Once in each artifact, and each was fetched once.
  const count = countIn('"downloads":');
  let firstByteMs: number | undefined;
  let bytes = 0;
  for await (const piece of await daemon.control.openReport(session)) {
    firstByteMs ??= performance.now() - begin;
    bytes += piece.length;
    count.take(piece);
  }
  const totalMs = performance.now() - begin;
  return { firstByteMs: firstByteMs ?? totalMs, totalMs, bytes, artifacts: count.found() };
}
