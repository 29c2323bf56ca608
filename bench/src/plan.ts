/** How much work one run does. */
export interface Plan {
  readonly rounds: number;
  readonly clients: number;
  readonly largeBytes: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Small bodies for an engine that has to know them before; together with their digests they fit into a session's 8 MiB. */
  readonly keptBodies: number;
  readonly freshBodies: number;
}

const mib = 1024 * 1024;

/** What is committed under results/. */
export const fullPlan: Plan = {
  rounds: 5,
  clients: 32,
  largeBytes: 1024 * mib,
  warmUpMs: 1_500,
  measureMs: 5_000,
  keptBodies: 60_000,
  freshBodies: 15_000,
};

/** The same in less than five minutes, for a first look. */
export const quickPlan: Plan = {
  ...fullPlan,
  rounds: 3,
  largeBytes: 128 * mib,
  warmUpMs: 1_000,
  measureMs: 2_000,
  keptBodies: 40_000,
  freshBodies: 6_000,
};
