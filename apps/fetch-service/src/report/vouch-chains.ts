import type { ReportVouch, SessionStore, VouchLink } from '@waybill/contracts';

/** Longest chain and most chains of one artifact; real ones have three links (deb ← Packages ← InRelease ← key) and a handful of keys. */
const maxLinks = 16;
const maxChains = 64;
/** Links remembered while one report is written, some 10 MB at most: thousands of artifacts share a few chains. */
const maxRemembered = 50_000;

/** Vouching chains, nearest link first. */
type Chains = ReportVouch[][];

/** Follows vouches of one session from an artifact to its trust roots. */
export interface VouchChains {
  /** A chain that ends in an artifact is incomplete: nobody stands for that artifact. Answered at once when it is known. */
  of(links: readonly VouchLink[], sha256: string): Chains | Promise<Chains>;
}

/** @param store where the vouches of the vouching artifacts are read, once each as a rule */
export function createVouchChains(store: Pick<SessionStore, 'artifact'>, sessionId: string): VouchChains {
  const linksByArtifact = createMemory<readonly VouchLink[]>();
  const chainsByLinks = createMemory<Chains>();

  async function linksOf(sha256: string): Promise<readonly VouchLink[]> {
    const known = linksByArtifact.get(sha256);
    if (known) return known;
    const links = (await store.artifact(sessionId, sha256))?.vouchedBy ?? [];
    linksByArtifact.set(sha256, links, links.length);
    return links;
  }

  async function expand(links: readonly VouchLink[], path: readonly string[], room: number): Promise<Chains> {
    const chains: Chains = [];
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

  async function expandAndRemember(key: string, links: readonly VouchLink[], sha256: string): Promise<Chains> {
    const chains = await expand(links, [sha256], maxChains);
    // What ends in the artifact itself goes on for others.
    if (!names(chains, sha256)) chainsByLinks.set(key, chains, linksIn(chains));
    return chains;
  }

  return {
    of(links, sha256) {
      if (links.length === 0) return [];
      const key = JSON.stringify(links);
      const known = chainsByLinks.get(key);
      return known && !names(known, sha256) ? known : expandAndRemember(key, links, sha256);
    },
  };
}

function names(chains: Chains, sha256: string): boolean {
  return chains.some((chain) => chain.some((link) => link.id === sha256));
}

function linksIn(chains: Chains): number {
  return chains.reduce((sum, chain) => sum + chain.length, 0);
}

/** Forgets everything when it holds too much. */
function createMemory<Value>() {
  const values = new Map<string, Value>();
  let held = 0;
  return {
    get: (key: string) => values.get(key),
    set(key: string, value: Value, weight: number) {
      if (held + weight >= maxRemembered) {
        values.clear();
        held = 0;
      }
      values.set(key, value);
      held += weight + 1;
    },
  };
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
