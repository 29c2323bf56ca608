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

/** Bodies that the upstream makes out of their number (upstream/made-body.ts); each number is asked for at most once. */
export interface MadeBodies {
  readonly folder: string;
  readonly bytes: number;
  /** From `first` to before `end`. */
  readonly first: number;
  readonly end: number;
  /** Each number is asked of a host of its own, `n<number><suffix>`; absent: all of the route's host. */
  readonly hostSuffix?: string;
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
  readonly bodies: MadeBodies;
  /** Fresh tunnels whose number divides by this check chain and name; checking all would cost the driver a third. */
  readonly verifyEvery?: number;
}

/** One request after the other on two kept tunnels in turns, the route and the direct one, with a pause before each. */
export interface LatencyJob {
  readonly kind: 'latency';
  readonly route: Route;
  readonly direct: Route;
  readonly bodies: MadeBodies;
  /** So many requests on each are not counted. */
  readonly warmUp: number;
  readonly pauseMs: number;
}

/** A part of a large body. */
export interface Piece {
  readonly at: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** A body that lies in a file. The driver compares its length, and its sha256 or that of pieces, in their order. */
export interface LargeRequest {
  readonly path: string;
  readonly bytes: number;
  /** Hashing all of it costs the driver as much as receiving. */
  readonly sha256?: string;
  readonly pieces?: readonly Piece[];
}

/** Bodies at the same time, each on a tunnel of its own; opening the tunnels is not part of the time. */
export interface LargeJob {
  readonly kind: 'large';
  readonly route: Route;
  readonly large: readonly LargeRequest[];
}

/** Bodies of one size stored in a cache, read back, or asked for in vain, over plain HTTP on kept connections. */
export interface CacheJob {
  readonly kind: 'cache';
  readonly clients: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly cache: {
    readonly op: 'put' | 'get' | 'miss';
    /** A name goes between the two. */
    readonly prefix: string;
    readonly suffix: string;
    readonly headers: Readonly<Record<string, string>>;
    /** Digits of the sha256 of a body that are its name; 64: all of them. */
    readonly nameDigits: number;
    readonly bytes: number;
    /** put: bodies from `first` to before `end`, each once; get: the same, over and over; miss: from `first` on. */
    readonly first: number;
    readonly end: number;
  };
}

/** What load/ reads, one a line. */
export type Job = SmallJob | LatencyJob | LargeJob | CacheJob;

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
  /** Of the direct tunnel; `latency` only. */
  readonly directP50Ms: number;
  readonly directP99Ms: number;
  /** Time until all heads have come; large bodies only. */
  readonly headMs: number;
  /** Every body of the range was asked for before the time was over. */
  readonly exhausted: boolean;
  /** The first number that was not asked for; `kept` and `fresh` only. */
  readonly next: number;
  /** Processor time of the driver in the measured time. */
  readonly cpuMs: number;
}
