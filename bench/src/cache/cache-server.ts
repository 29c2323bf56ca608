/** How a server under test is reached. */
export interface CacheAddress {
  readonly prefix: string;
  readonly suffix: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly nameDigits: number;
}

/** A cache that runs on an empty directory of its own. */
export interface RunningCache extends CacheAddress {
  readonly pid: number;
  /** Asks in one question which of so many blobs are missing; absent where the server knows no such question. */
  readonly askMissing?: ((count: number) => Promise<void>) | undefined;
  stop(): Promise<void>;
}

/** One of those that are compared. */
export interface CacheServer {
  readonly id: string;
  /** What it does for each body, since that is what its time goes into. */
  readonly does: string;
  /** Its version, or why it cannot be measured here. May install it. */
  find(tools: string): Promise<{ readonly version: string } | { readonly missing: string }>;
  /** @param dir empty, on the disk that is measured */
  start(dir: string, tools: string): Promise<RunningCache>;
}

/** Why a program is not there, in a line. */
export function missingBecause(cause: unknown): { readonly missing: string } {
  const [line = 'unknown'] = String(cause instanceof Error ? cause.message : cause).split('\n');
  return { missing: line };
}
