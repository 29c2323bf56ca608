/** What can run out: keys of `limits` in inspectors.yaml, and bounds of the process. */
export type LimitName =
  | 'connections'
  | 'exchanges'
  | 'requests-per-second'
  | 'total-bytes'
  | 'downloads'
  | 'service-connections'
  | 'service-exchanges'
  | 'origin-connections';
