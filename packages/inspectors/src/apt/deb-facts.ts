import { jsonDerivation } from '../json-derivation.js';
import { type CopyrightFacts, readCopyright } from './copyright/copyright-file.js';
import type { DebArchive } from './deb-archive.js';

const fields = ['package', 'version', 'architecture', 'maintainer', 'description', 'source'] as const;

/** What of a package goes into a report or decides about it. */
export interface DebFacts {
  /** Fields of the control file. */
  readonly control: { readonly [Field in (typeof fields)[number]]?: string };
  readonly facts?: CopyrightFacts | undefined;
  /** Why there are no `facts` although there could be some. */
  readonly copyrightNote?: string | undefined;
}

/** Kept by the digest of the package: unpacking it takes longer than all else. */
export const debFactsDerivation = jsonDerivation<DebFacts>('deb/1');

export function debFacts({ control, copyright, copyrightNote }: DebArchive): DebFacts {
  const known = fields.flatMap((name) => {
    const value = control.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    control: Object.fromEntries(known),
    ...(copyright !== undefined && { facts: readCopyright(copyright) }),
    ...(copyrightNote !== undefined && { copyrightNote }),
  };
}
