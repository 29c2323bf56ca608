import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BenchError } from '../bench-error.ts';
import { startDaemon, type WaybillDaemon } from '../engines/waybill-daemon.ts';
import { cpuMsOf, peakRssOf, resetPeakRss } from '../measure/process-tree.ts';
import { freePort } from '../processes/free-port.ts';
import { describeMachine, type Machine } from '../results/machine.ts';
import { ratioSpread, type Spread, spreadOf } from '../results/statistics.ts';
import type { Say } from '../stage.ts';
import { createServerCertificate, createThrowAwayCa } from '../upstream/throw-away-ca.ts';
import { fetchOnce } from './curl-client.ts';
import { installOnce, layOutProject } from './npm-client.ts';
import { mirrorProject, type NpmMirror } from './npm-mirror.ts';
import { type NpmOrigin, startNpmOrigin } from './npm-origin.ts';
import { openSlowLine } from './slow-line.ts';

export interface ReuseOptions {
  readonly workDir: string;
  readonly keep: boolean;
  readonly rounds: number;
}

/** What one line showed. */
export interface LineResult {
  /** `50 ms, 50 Mbit/s`. */
  readonly line: string;
  readonly directMs: Spread;
  readonly secondMs: Spread;
  /** The same out of npm's own cache, without a network: nobody who serves npm can be faster. */
  readonly ownMs: Spread;
  /** How many times as fast as without the service, round by round. */
  readonly speedup: Spread;
  /** The tarballs alone, fetched by curl as many at a time as npm does: straight, in a second session, and the ratio. */
  readonly fetchDirectMs: Spread;
  readonly fetchSecondMs: Spread;
  readonly fetchSpeedup: Spread;
  readonly cpuMsPerPackage: Spread;
  readonly peakRssBytes: number;
}

/** The file `…-reuse.json` below results/. */
export interface ReuseResult {
  readonly format: 1;
  readonly date: string;
  readonly machine: Machine;
  readonly packages: number;
  readonly bytes: number;
  readonly lines: readonly LineResult[];
}

const lines = [
  { name: '50 ms, 50 Mbit/s', roundTripMs: 50, megabits: 50 },
  { name: 'loopback', roundTripMs: 0, megabits: 0 },
] as const;

/**
 * `npm ci` of one project with an empty cache: straight, and in the second session of a service that had the project before, in
 * turn. A second session that asks upstream for a tarball does not count.
 * @throws BenchError `BENCH_PROGRAM_FAILED`, `BENCH_ANSWER_WRONG`, `BENCH_RECORD_INCOMPLETE`
 */
export async function runReuse({ workDir, keep, rounds }: ReuseOptions, say: Say): Promise<ReuseResult> {
  const dir = await mkdtemp(join(workDir, 'waybill-bench-'));
  try {
    say('installing the project once from the registry of this machine');
    const mirror = await mirrorProject(join(dir, 'mirror'));
    const bytes = mirror.packages.reduce((sum, { tarball }) => sum + tarball.length, 0);
    const machine = await describeMachine(dir);
    const results: LineResult[] = [];
    for (const line of lines) {
      const place = join(dir, line.name.replace(/\W+/g, '-'));
      await mkdir(place);
      results.push(await measureLine({ dir: place, mirror, rounds, say, ...line }));
    }
    const date = new Date().toISOString();
    return { format: 1, date, machine, packages: mirror.packages.length, bytes, lines: results };
  } finally {
    if (keep) say(`kept ${dir}`);
    else await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface LineRun {
  readonly dir: string;
  readonly mirror: NpmMirror;
  readonly rounds: number;
  readonly say: Say;
  readonly name: string;
  readonly roundTripMs: number;
  readonly megabits: number;
}

async function measureLine({ dir, mirror, rounds, say, name, roundTripMs, megabits }: LineRun): Promise<LineResult> {
  const ca = await createThrowAwayCa(dir, 'bench-root');
  const certificate = await createServerCertificate(dir, 'bench-root', ['localhost']);
  const close: (() => Promise<unknown>)[] = [];
  try {
    // The registry has to know its URL, which is the line's, before the line knows where it leads.
    const port = await freePort();
    const line = megabits > 0 ? await openSlowLine({ port, roundTripMs, megabits }) : undefined;
    if (line) close.push(() => line.close());
    const base = `https://localhost:${line?.port ?? port}/`;
    const origin = await startNpmOrigin(mirror.packages, { base: () => base, certificate, port });
    close.push(() => origin.close());
    const project = join(dir, 'project');
    await layOutProject(project, mirror, base);
    const site = { dir, upstream: { caFile: ca.certFile }, ca, wrap: <T>(command: T) => command };
    const daemon = await startDaemon(site);
    close.push(() => daemon.stop());
    const way = { base, caFile: ca.certFile };
    const through = (check: boolean, work: Work) => workThrough({ daemon, origin, base, check }, work);
    const install: Work = (proxyUrl) => installOnce(project, { ...way, proxyUrl });
    const fetch: Work = (proxyUrl) => fetchOnce(dir, mirror, { ...way, proxyUrl });

    say(`${name}: first session`);
    await through(false, install);
    await resetPeakRss(daemon.pid);
    const [direct, second, own, cpu]: [number[], number[], number[], number[]] = [[], [], [], []];
    const [fetchDirect, fetchSecond]: [number[], number[]] = [[], []];
    for (let round = 1; round <= rounds; round += 1) {
      const measureDirect = async () => {
        direct.push(await install());
        own.push(await installOnce(project, { ...way, offline: true }));
        fetchDirect.push(await fetch());
      };
      const measureSecond = async () => {
        const before = await cpuMsOf(daemon.pid);
        second.push(await through(true, install));
        cpu.push(((await cpuMsOf(daemon.pid)) - before) / mirror.packages.length);
        fetchSecond.push(await through(true, fetch));
      };
      // Whoever comes first finds the other's traces in the machine's caches.
      for (const measure of round % 2 ? [measureDirect, measureSecond] : [measureSecond, measureDirect])
        await measure();
      say(
        `${name}: round ${round} of ${rounds}: ${direct.at(-1)?.toFixed(0)} and ${second.at(-1)?.toFixed(0)} ms, npm alone ${own.at(-1)?.toFixed(0)} ms;` +
          ` tarballs alone ${fetchDirect.at(-1)?.toFixed(0)} and ${fetchSecond.at(-1)?.toFixed(0)} ms`,
      );
    }
    return {
      line: name,
      directMs: spreadOf(direct) as Spread,
      secondMs: spreadOf(second) as Spread,
      ownMs: spreadOf(own) as Spread,
      fetchDirectMs: spreadOf(fetchDirect) as Spread,
      fetchSecondMs: spreadOf(fetchSecond) as Spread,
      fetchSpeedup: ratioSpread(fetchDirect, fetchSecond) as Spread,
      speedup: ratioSpread(direct, second) as Spread,
      cpuMsPerPackage: spreadOf(cpu) as Spread,
      peakRssBytes: await peakRssOf(daemon.pid),
    };
  } finally {
    for (const step of close.reverse()) await step();
  }
}

/** Something that a client does, straight or through a proxy; answers with the milliseconds it took. */
type Work = (proxyUrl?: string) => Promise<number>;

interface Through {
  readonly daemon: WaybillDaemon;
  readonly origin: NpmOrigin;
  readonly base: string;
  /** Whether all of it must be here already. */
  readonly check: boolean;
}

async function workThrough({ daemon, origin, base, check }: Through, work: Work): Promise<number> {
  const config = { npm: { registries: { default: { url: base } } } };
  const session = await daemon.control.createSession('strict', config);
  origin.counts();
  const proxyUrl = `http://${session.id}:${session.token}@${daemon.proxyAddress}`;
  const tookMs = await work(proxyUrl);
  const { tarballs } = origin.counts();
  if (check && tarballs > 0) {
    throw new BenchError('BENCH_ANSWER_WRONG', `${tarballs} tarballs were fetched that the service had`);
  }
  const { downloads, rejected } = await daemon.control.closeSession(session);
  if (rejected > 0 || downloads === 0) {
    throw new BenchError(
      'BENCH_RECORD_INCOMPLETE',
      `${downloads} downloads are reported, ${rejected} of them rejected`,
    );
  }
  return tookMs;
}
