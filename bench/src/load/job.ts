/** How the load driver reaches the upstream. */
export interface Route {
  /** Absent: straight to the upstream. */
  readonly proxy?: { readonly address: string; readonly authorization?: string };
  /** Name in the URL, in SNI and in the certificate that the client verifies. */
  readonly host: string;
  readonly port: number;
  /** Root certificates that the client trusts, PEM. */
  readonly ca: readonly string[];
}

/** Numbers of the upstream's small bodies, from `first` to before `end`; each is asked for at most once. */
export interface BodyRange {
  readonly first: number;
  readonly end: number;
}

/**
 * `kept`: requests on tunnels that stay open; `fresh`: TCP, CONNECT, TLS, one request, close. Each client does one after
 * the other.
 */
export interface SmallJob {
  readonly kind: 'kept' | 'fresh';
  readonly route: Route;
  readonly clients: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly bodies: BodyRange;
}

/** One body on a tunnel of its own; opening the tunnel is not part of the time. */
export interface LargeJob {
  readonly kind: 'large';
  readonly route: Route;
  readonly path: string;
  readonly bytes: number;
  /** Checked only when given: hashing costs the driver as much as receiving. */
  readonly sha256?: string;
}

/** What load/ reads, one a line. */
export type Job = SmallJob | LargeJob;

/** What load/ answers: what it saw in the measured time, warm-up excluded. */
export interface JobResult {
  /** Complete answers with the right bytes. */
  readonly completed: number;
  /** All complete answers, warm-up and what ended after the measured time included: what a session report must hold. */
  readonly completedEver: number;
  readonly bytes: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Time to the head of the answer; large bodies only. */
  readonly headMs: number;
  /** Every body of the range was asked for before the time was over. */
  readonly exhausted: boolean;
  /** Processor time of the driver in the measured time. */
  readonly cpuMs: number;
}
