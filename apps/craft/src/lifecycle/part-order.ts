import type { PartConfig } from '@waybill/contracts';
import { CraftError } from '../errors.js';

/**
 * Names of the parts so that each stands behind those it names in `after`; parts that are free stand in the order of their
 * names, so that the order does not depend on the file's.
 * @throws CraftError CRAFT_PART_CYCLE with the cycle
 */
export function orderParts(parts: Readonly<Record<string, Pick<PartConfig, 'after'>>>): string[] {
  const ordered: string[] = [];
  const open = new Set(Object.keys(parts));
  while (open.size > 0) {
    const next = [...open].sort().find((name) => parts[name]?.after.every((other) => !open.has(other)));
    if (next === undefined) {
      const cycle = findCycle(parts, open);
      throw new CraftError('CRAFT_PART_CYCLE', `parts wait for each other: ${cycle.join(' → ')}`, {
        hint: 'take one of the `after` entries away',
      });
    }
    ordered.push(next);
    open.delete(next);
  }
  return ordered;
}

function findCycle(parts: Readonly<Record<string, Pick<PartConfig, 'after'>>>, open: ReadonlySet<string>): string[] {
  const path: string[] = [];
  let name = [...open].sort()[0] as string;
  while (!path.includes(name)) {
    path.push(name);
    name = parts[name]?.after.find((other) => open.has(other)) as string;
  }
  return [...path.slice(path.indexOf(name)), name];
}

/** The named parts and everything they come after, in order. */
export function withDependencies(
  names: readonly string[],
  parts: Readonly<Record<string, Pick<PartConfig, 'after'>>>,
): string[] {
  const wanted = new Set<string>();
  const add = (name: string) => {
    if (wanted.has(name)) return;
    wanted.add(name);
    parts[name]?.after.forEach(add);
  };
  names.forEach(add);
  return orderParts(parts).filter((name) => wanted.has(name));
}
