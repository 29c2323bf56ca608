import type { Options } from 'tsup';

/**
 * tsup options shared by every package; `copy` is a directory whose content is copied into `dist`, `bundle` names
 * dependencies that are built in.
 */
export declare function waybill(options?: {
  entry?: string[] | Record<string, string>;
  copy?: string;
  bundle?: RegExp[];
}): Options;
