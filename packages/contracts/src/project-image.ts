import { z } from 'zod';
import { line } from './project-text.js';

/**
 * `image:` of projects of `type: oci` and `rock`: what a container of the image runs, as the image's configuration has it.
 * @see OCI Image Specification 1.1, config.md, `config`
 */
export const imageSchema = z.strictObject({
  entrypoint: z.array(line).min(1).optional(),
  /** Arguments of the entrypoint, or the command itself without one. */
  command: z.array(line).min(1).optional(),
  environment: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of a variable'), z.string())
    .optional(),
  /** `user`, `uid`, `user:group` or `uid:gid`. */
  user: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/, 'expected `user` or `user:group`')
    .optional(),
  'working-directory': z.string().startsWith('/', 'expected an absolute path').optional(),
  ports: z.array(z.string().regex(/^\d{1,5}(\/(tcp|udp))?$/, 'expected a port: 8080 or 53/udp')).optional(),
  labels: z.record(line, z.string()).optional(),
});
/** What a container of an image runs. */
export type ImageConfig = z.infer<typeof imageSchema>;
