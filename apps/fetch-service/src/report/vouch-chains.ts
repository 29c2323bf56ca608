import type { ReportVouch, SessionStore, VouchLink } from '@waybill/contracts';

/** Longest chain and most chains of one artifact; real ones have three links (deb ← Packages ← InRelease ← key) and a handful of keys. */
const maxLinks = 16;
const maxChains = 64;
/** Indexes remembered while one report is written; thousands of artifacts share a few. */
const maxRemembered = 4096;

/** Follows vouches of one session from an artifact to its trust roots. */
export interface VouchChains {
  /** Chains, nearest link first. One that ends in an artifact is incomplete: nobody stands for that artifact. */
  of(links: readonly VouchLink[], sha256: string): Promise<ReportVouch[][]>;
}

/** @param store where the vouches of the vouching artifacts are read, once each */
export function createVouchChains(store: Pick<SessionStore, 'artifact'>, sessionId: string): VouchChains {
  const remembered = new Map<string, readonly VouchLink[]>();

  async function linksOf(sha256: string): Promise<readonly VouchLink[]> {
    const known = remembered.get(sha256);
    if (known) return known;
    const links = (await store.artifact(sessionId, sha256))?.vouchedBy ?? [];
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(sha256, links);
    return links;
  }

  async function expand(links: readonly VouchLink[], path: readonly string[], room: number): Promise<ReportVouch[][]> {
    const chains: ReportVouch[][] = [];
    for (const link of unique(links)) {
      if (chains.length >= room) break;
      const first = toReportVouch(link);
      // An index that vouches for itself, or a ring of them, proves nothing: the chain ends there.
      const isEnd = link.kind !== 'artifact' || path.includes(link.sha256) || path.length >= maxLinks;
      const rest = isEnd ? [] : await expand(await linksOf(link.sha256), [...path, link.sha256], room - chains.length);
      if (rest.length === 0) chains.push([first]);
      for (const chain of rest) chains.push([first, ...chain]);
    }
    return chains.slice(0, room);
  }

  return { of: (links, sha256) => expand(links, [sha256], maxChains) };
}

function toReportVouch(link: VouchLink): ReportVouch {
  if (link.kind === 'artifact') return { kind: link.kind, name: link.name, id: link.sha256, inspector: link.inspector };
  return { kind: link.kind, name: link.name, id: link.id };
}

/** Sorted and each once, so that the same traffic gives the same report (promise 8). */
function unique(links: readonly VouchLink[]): VouchLink[] {
  const byKey = new Map(links.map((link) => [JSON.stringify(toReportVouch(link)), link]));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, link]) => link);
}
