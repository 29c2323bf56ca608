/** Where the local cache lies and how much it may hold. */
export interface LocalCacheOptions {
  /** Made when it is not there. */
  readonly dir: string;
  /** Bytes above which what was not used for longest goes. Default: no limit. */
  readonly quotaBytes?: number | undefined;
  /** Share of the quota that is left then. Default 0.8. */
  readonly lowWatermark?: number | undefined;
  /** What was used so recently stays, over the quota if need be: somebody is about to read it. Default 5 minutes. */
  readonly leaseMs?: number | undefined;
}
