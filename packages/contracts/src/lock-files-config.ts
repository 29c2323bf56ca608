import { z } from 'zod';

/** Lock files that can vouch. */
export const lockFileTypes = [
  'package-lock',
  'pnpm-lock',
  'yarn-lock',
  'requirements',
  'uv-lock',
  'cargo-lock',
  'go-sum',
] as const;
/** One of {@link lockFileTypes}. */
export type LockFileType = (typeof lockFileTypes)[number];

/** The type that a file's name tells, undefined for other names. */
export function lockFileTypeOf(name: string): LockFileType | undefined {
  const file = name.slice(name.lastIndexOf('/') + 1);
  const known = new Map<string, LockFileType>([
    ['package-lock.json', 'package-lock'],
    ['npm-shrinkwrap.json', 'package-lock'],
    ['pnpm-lock.yaml', 'pnpm-lock'],
    ['yarn.lock', 'yarn-lock'],
    ['uv.lock', 'uv-lock'],
    ['Cargo.lock', 'cargo-lock'],
    ['go.sum', 'go-sum'],
  ]);
  return known.get(file) ?? (/^requirements[\w.-]*\.txt$/.test(file) ? 'requirements' : undefined);
}

/** Characters of one lock file. */
export const maxLockFileLength = 16 * 2 ** 20;

/** A lock file by its content: what it pins by a digest is approved without an index. The name tells the type, unless `type` does. */
export const lockFileSchema = z
  .strictObject({
    name: z.string().min(1).max(1024),
    type: z.enum(lockFileTypes).optional(),
    content: z.string().max(maxLockFileLength, 'expected at most 16 MiB'),
  })
  .transform((file, context) => {
    const type = file.type ?? lockFileTypeOf(file.name);
    if (type) return { ...file, type };
    context.addIssue({
      code: 'custom',
      path: ['type'],
      message: `expected one of ${lockFileTypes.join(', ')}: the name does not tell`,
    });
    return z.NEVER;
  });
export type LockFile = z.infer<typeof lockFileSchema>;

/** Lock files of one session. */
export const lockFilesSchema = z.array(lockFileSchema).max(50, 'expected at most 50 lock files');
