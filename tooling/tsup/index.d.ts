import type { Options } from 'tsup';

/** tsup options shared by every package; `copy` is a directory whose content is copied into `dist`. */
export declare function waybill(options?: { entry?: string[]; copy?: string }): Options;
