import type { MadeBodies, Route } from '../load/job.ts';
import type { Command } from '../names/host-names.ts';
import type { Upstream } from '../upstream/start-upstream.ts';
import type { Certificate } from '../upstream/throw-away-ca.ts';

/** Where and with what an engine starts. */
export interface Site {
  /** A directory of its own, empty. */
  readonly dir: string;
  readonly upstream: Upstream;
  /** The root CA that intercepting engines sign with; the same P-256 key for all. */
  readonly ca: Certificate;
  /** What a program has to be started with, so that it resolves the benchmark's host names. */
  wrap(command: Command): Command;
  /** Processes of our service; absent: as it is by itself. */
  readonly processes?: number | undefined;
  /** Where a CPU profile is wanted. */
  readonly profileDir?: string | undefined;
}

/** A way through the engine for one work, and what it recorded of it. */
export interface Passage {
  readonly route: Route;
  /**
   * Ends it and looks whether exactly so many complete downloads were recorded. Absent when nothing is claimed.
   * @throws BenchError `BENCH_RECORD_INCOMPLETE`
   */
  finish?(downloads: number): Promise<void>;
  /** Removes what the engine keeps of it. Absent when it keeps nothing. */
  remove?(): Promise<void>;
}

/** An engine that listens. */
export interface RunningEngine {
  /** Absent when there is no process between client and upstream. */
  readonly pid?: number;
  /** Opens a way to these small bodies, or to the large ones. Not measured. */
  open(bodies?: MadeBodies): Promise<Passage>;
  /** What it tells of itself, in the text format of Prometheus, where it does. */
  readMetrics?(): Promise<string>;
  stop(): Promise<void>;
}

export type Availability = { readonly version: string } | { readonly missing: string };

/** One thing that is measured. */
export interface Engine {
  readonly id: string;
  /** What it does with each body, for the table's legend. */
  readonly does: string;
  /** It lets through only bodies that it was told of; a work ends early when they are used up. */
  readonly needsToKnowBodies: boolean;
  /** It has a process whose memory can be watched, and is fast enough for works that run until so much is done. */
  readonly longWorks: boolean;
  find(): Promise<Availability>;
  start(site: Site): Promise<RunningEngine>;
}
