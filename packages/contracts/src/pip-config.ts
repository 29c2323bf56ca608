import { z } from 'zod';

const glob = z.string().min(1, 'expected a URL glob such as https://host:443/**');

/** One Python package index, as in pip's `index-url`. */
export const pipIndexSchema = z.strictObject({
  /** Project pages lie at `<url><project>/`. PEP 503 */
  url: z.url({ protocol: /^https?$/, error: 'expected the http or https URL of a simple index' }),
  /** Where files may lie beside the index's own origin. */
  files: z.array(glob).default([]),
});
export type PipIndex = z.infer<typeof pipIndexSchema>;

/** Section `pip` of `inspectors.yaml`. */
export const pipConfigSchema = z.strictObject({ indexes: z.record(z.string(), pipIndexSchema) });
