import type { InspectionContext, VouchLink } from '@waybill/contracts';
import { type GitRefs, refsScope } from './refs.js';

/** A wanted object that a list of refs of this session names. */
export interface ListedWant {
  readonly oid: string;
  /** Refs that point to it. */
  readonly refs: readonly string[];
  readonly list: Extract<VouchLink, { kind: 'artifact' }>;
}

/** Looks wanted objects up in the newest list of refs that names them. Clients may want objects that no ref names. */
export async function listedWants(
  context: InspectionContext,
  repository: string,
  wants: readonly string[],
): Promise<ListedWant[]> {
  const lists = (await context.catalogs<GitRefs>(refsScope(repository))).toReversed();
  const indexed = lists.map(({ ref, value }) => ({ ref, names: byTarget(value, new Set(wants)) }));
  return wants.flatMap((oid) => {
    for (const { ref, names } of indexed) {
      const refs = names.get(oid);
      if (!refs) continue;
      const name = `${ref.attributes?.form ?? 'refs'} of ${ref.name}`;
      const list = { kind: 'artifact', sha256: ref.sha256, inspector: ref.inspector, name } as const;
      return [{ oid, refs, list }];
    }
    return [];
  });
}

/** One pass over what can be a hundred thousand refs. */
function byTarget({ refs, peeled }: GitRefs, wanted: ReadonlySet<string>): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const map of [refs, peeled]) {
    for (const [name, oid] of map) {
      if (!wanted.has(oid)) continue;
      const known = names.get(oid);
      if (known) known.push(name);
      else names.set(oid, [name]);
    }
  }
  return names;
}
