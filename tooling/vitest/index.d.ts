import type { ViteUserConfig } from 'vitest/config';

/** Vitest configuration of one package; the lane comes from WAYBILL_TEST_LANE. */
export declare function waybill(options?: { setupFiles?: string[]; fileParallelism?: boolean }): ViteUserConfig;
