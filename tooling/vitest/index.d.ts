import type { ViteUserConfig } from 'vitest/config';

/** Vitest configuration of one package; the lane comes from WAYBILL_TEST_LANE. */
export declare function waybill(options?: {
  setupFiles?: string[];
  fileParallelism?: boolean;
  /** `forks` for tests that need a process of their own (chdir, umask, signals); lanes other than unit have it already. */
  pool?: 'threads' | 'forks';
}): ViteUserConfig;
