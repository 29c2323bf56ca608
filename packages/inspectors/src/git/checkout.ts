import type { ArtifactView } from '@waybill/contracts';
import type { ScratchRepository } from './scratch-repository.js';

/** What a fetch brought, for the inspectors that come after `git.upload-pack` while it lies in its scratch directory. */
export interface GitCheckout {
  /** Normalised URL. */
  readonly repository: string;
  /** The wanted object; that of HEAD among several. */
  readonly revision: string;
  /** A tag that points to it. */
  readonly tag: string | undefined;
  /**
   * The first of the paths that is a regular file in the wanted revision.
   * @returns undefined when none is, or when its content was left out on request
   * @throws GitFormatError when it is longer than `maxBytes`
   */
  read(
    paths: readonly string[],
    maxBytes: number,
  ): Promise<{ readonly path: string; readonly text: string } | undefined>;
}

/** Lives as long as the artifact is looked at. */
const checkouts = new WeakMap<ArtifactView, GitCheckout>();

/** Lends a pack that was proven to the inspectors behind. */
export function lendCheckout(
  artifact: ArtifactView,
  scratch: ScratchRepository,
  about: Omit<GitCheckout, 'read'>,
): void {
  checkouts.set(artifact, {
    ...about,
    async read(paths, maxBytes) {
      const files = await scratch.files(about.revision, paths);
      const path = paths.find((one) => files.has(one));
      const text = path === undefined ? undefined : await scratch.read(files.get(path) as string, maxBytes);
      return path === undefined || text === undefined ? undefined : { path, text };
    },
  });
}

/** undefined unless `git.upload-pack` found all that was wanted in the answer. */
export function checkoutOf(artifact: ArtifactView): GitCheckout | undefined {
  return checkouts.get(artifact);
}
