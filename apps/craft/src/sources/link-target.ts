import { posix } from 'node:path';
import { CraftError } from '../errors.js';

/** What becomes of absolute links: an error, or a relative link to the same place below the root (packages of a system). */
export type AbsoluteLinks = 'refuse' | 'rebase';

/**
 * Target of a symbolic link of an archive, checked to stay inside.
 * @param path the link's own path in the archive
 * @throws CraftError CRAFT_SOURCE_UNSAFE
 */
export function checkLinkTarget(path: string, target: string, absolute: AbsoluteLinks, archive: string): string {
  const directory = posix.dirname(path);
  if (target.startsWith('/') && absolute === 'rebase') {
    const inside = posix.normalize(target).replace(/^\/+/, '');
    return posix.relative(directory === '.' ? '' : directory, inside) || '.';
  }
  const resolved = posix.normalize(posix.join(directory, target));
  if (
    target === '' ||
    target.includes('\0') ||
    target.startsWith('/') ||
    resolved === '..' ||
    resolved.startsWith('../')
  ) {
    throw new CraftError(
      'CRAFT_SOURCE_UNSAFE',
      `${archive}: the link ${path} leads out of the archive, to ${JSON.stringify(target.slice(0, 200))}`,
      {
        hint: 'do not trust this archive, or unpack it yourself and use a local source',
      },
    );
  }
  return target;
}
