/** How much work one run does. */
export interface Plan {
  /** As many as the time for rounds allows, but two at least. */
  readonly rounds: number;
  readonly roundsMs: number;
  readonly clients: number;
  readonly largeBytes: number;
  /** Bodies that are fetched at the same time. */
  readonly parts: number;
  readonly partBytes: number;
  /** Of each work with small bodies. A service runs for days: what its compiler does in the first seconds is not the question. */
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Made bodies for an engine that has to know them before; together with their digests they fit into a session's 8 MiB. */
  readonly keptBodies: number;
  readonly mediumBodies: number;
  readonly freshBodies: number;
  /** Requests on each of the two tunnels, warm-up excluded. */
  readonly latencySamples: number;
  readonly latencyPauseMs: number;
  readonly newHosts: number;
  readonly newHostsMs: number;
  /** What memory is watched during, once for each engine. */
  readonly long: {
    readonly hosts: number;
    readonly requests: number;
    /** Requests of one build. */
    readonly sessionRequests: number;
    /** Either ends after that time, whatever was reached. */
    readonly hostsMs: number;
    readonly requestsMs: number;
    /** Quiet time before the level is read. */
    readonly settleMs: number;
  };
}

const mib = 1024 * 1024;

/** What is committed under results/; a quarter of an hour at most. */
export const fullPlan: Plan = {
  rounds: 5,
  roundsMs: 580_000,
  clients: 32,
  largeBytes: 1024 * mib,
  parts: 4,
  partBytes: 100 * mib,
  warmUpMs: 4_000,
  measureMs: 3_000,
  keptBodies: 50_000,
  mediumBodies: 10_000,
  freshBodies: 8_000,
  latencySamples: 2_000,
  latencyPauseMs: 0.25,
  newHosts: 200,
  newHostsMs: 2_500,
  long: {
    hosts: 10_000,
    requests: 200_000,
    sessionRequests: 10_000,
    hostsMs: 45_000,
    requestsMs: 120_000,
    settleMs: 3_000,
  },
};

/** The same in less than five minutes, for a first look. */
export const quickPlan: Plan = {
  ...fullPlan,
  rounds: 3,
  roundsMs: 200_000,
  largeBytes: 128 * mib,
  partBytes: 32 * mib,
  warmUpMs: 2_000,
  measureMs: 1_500,
  keptBodies: 25_000,
  mediumBodies: 5_000,
  freshBodies: 3_000,
  latencySamples: 1_000,
  newHosts: 200,
  newHostsMs: 2_000,
  long: {
    hosts: 2_000,
    requests: 40_000,
    sessionRequests: 4_000,
    hostsMs: 10_000,
    requestsMs: 15_000,
    settleMs: 1_500,
  },
};

/** For numbers of processes: each of them reads a session that it has not met, which takes time before the measured one. */
export const scalingPlan = (plan: Plan): Plan => ({
  ...plan,
  measureMs: 2 * plan.measureMs,
  keptBodies: 55_000,
  mediumBodies: 10_000,
  freshBodies: 8_000,
});
