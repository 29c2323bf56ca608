import type { BodyRange, Route } from '../load/job.ts';
import type { Upstream } from '../upstream/start-upstream.ts';
import type { Certificate } from '../upstream/throw-away-ca.ts';

/** Names of the engines, in the order of the tables. */
export type EngineId = 'direct' | 'waybill-strict' | 'waybill-permissive' | 'mitmdump' | 'squid';

/** Where and with what an engine starts. */
export interface Site {
  /** A directory of its own, empty. */
  readonly dir: string;
  readonly upstream: Upstream;
  /** The root CA that intercepting engines sign with; the same P-256 key for all. */
  readonly ca: Certificate;
  /** Where a CPU profile is wanted. */
  readonly profileDir?: string | undefined;
}

/** An engine that listens. */
export interface RunningEngine {
  /** Absent when there is no process between client and upstream. */
  readonly pid?: number;
  /** How clients get at these small bodies, or at the large ones. Called once before each work; not measured. */
  route(bodies?: BodyRange): Promise<Route>;
  /**
   * Looks whether so many complete downloads were recorded as claimed. Absent when nothing is claimed.
   * @throws BenchError `BENCH_RECORD_INCOMPLETE`
   */
  finish?(downloads: number): Promise<void>;
  stop(): Promise<void>;
}

export type Availability = { readonly version: string } | { readonly missing: string };

/** One thing that is measured. */
export interface Engine {
  readonly id: EngineId;
  /** What it does with each body, for the table's legend. */
  readonly does: string;
  /** It lets through only bodies that it was told of; a work ends early when they are used up. */
  readonly needsToKnowBodies: boolean;
  find(): Promise<Availability>;
  start(site: Site): Promise<RunningEngine>;
}
