import type { Artifact, Cache } from '@waybill/cache-client';
import type { CraftCachedPart, CraftRecord, SessionReport } from '@waybill/contracts';
import type { CachedBuild, LifecycleContext, PartCache, PartContext } from '../lifecycle/context.js';
import { version } from '../version.js';
import { type AcceptRules, acceptedClasses, whyNot } from './cache-policy.js';
import { type KeyDocument, keyOf, nameDocument, type SessionClass } from './key-document.js';
import { createKeyFiles } from './key-files.js';
import { type PartDetails, parseDetails } from './part-details.js';
import { createPartKeys } from './part-keys.js';
import { parseRecord, recordDigest } from './part-record.js';
import { treeDigest } from './source-identity.js';
import { type BuiltPart, type PushRule, storeParts } from './store-parts.js';

/** What a build may do with caches. */
export interface PartCacheOptions {
  readonly cache: Cache;
  readonly session: SessionClass;
  readonly rules: AcceptRules;
  readonly push: PushRule;
}

/** The cache of one build, with what came of it. */
export interface BuildCache extends PartCache {
  /** Parts that were taken, with their records: what the report has to list. */
  cachedParts(): readonly CraftCachedPart[];
  /** Puts what was built into the local cache and brings it to remotes; the build must be over. Never throws. */
  store(report: SessionReport | undefined): Promise<void>;
}

interface Taken {
  readonly artifact: Artifact;
  readonly key: string;
  readonly record: CraftRecord | undefined;
  readonly details: PartDetails;
}

/** Opens the cache of a build. */
export function openPartCache(context: LifecycleContext, options: PartCacheOptions): BuildCache {
  const { cache, session, rules } = options;
  const { project, item, layout, progress } = context;
  const keys = createPartKeys(context);
  const files = createKeyFiles(layout);
  const lookups = new Map<string, Promise<Taken | undefined>>();
  const taken = new Map<string, Taken>();
  const built = new Map<string, BuiltPart>();
  const told = new Set<string>();

  const tell = (text: string) => {
    if (!told.has(text)) progress.note(text);
    told.add(text);
  };

  const candidate = async (part: string, document: KeyDocument, kind: SessionClass, place: string | undefined) => {
    const key = keyOf(nameDocument(document, { session: kind, place }));
    const artifact = await cache.pull(
      { project: project.name, part, platform: item.platform, key },
      {
        signal: context.signal,
        accept: (found) => {
          const reason = whyNot(found, { key, session: kind, rules });
          if (reason) tell(`part ${part} is not taken from ${found.origin.remote}: ${reason}`);
          return reason;
        },
      },
    );
    if (!artifact) return undefined;
    const strong = keyOf(document);
    const details = parseDetails(artifact.manifest.details, part, project);
    if (!details) {
      tell(`part ${part} is not taken from ${artifact.origin.remote}: it sets what no script of the part could`);
      return undefined;
    }
    if (kind === 'none') return { artifact, key: strong, record: undefined, details };
    const bytes = await artifact.read('record');
    const wanted = { project: project.name, part, platform: item.platform, key: strong, policy: kind };
    const record = bytes && parseRecord(bytes, wanted);
    if (record) return { artifact, key: strong, record, details };
    tell(`part ${part} is not taken from ${artifact.origin.remote}: its record is damaged or of another build`);
    return undefined;
  };

  const lookUp = async (part: string, document: KeyDocument): Promise<Taken | undefined> => {
    for (const kind of acceptedClasses(session, rules)) {
      for (const place of [undefined, layout.parts]) {
        const found = await candidate(part, document, kind, place);
        if (found) return found;
      }
    }
    return undefined;
  };

  const guarded = async <T>(part: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      context.signal.throwIfAborted();
      progress.warn(`the cache cannot be used for part ${part}: ${(error as Error).message}`);
      return undefined;
    }
  };

  const toBuild = (own: PartContext, found: Taken, document: KeyDocument): CachedBuild => {
    const { artifact, key, details } = found;
    return {
      key,
      origin: artifact.origin.remote === 'local' ? 'local cache' : artifact.origin.remote,
      variables: { pull: details['pull-variables'], build: details['build-variables'] },
      outcome: details.outcome,
      async restore(install) {
        const done = await guarded(own.name, async () => {
          await artifact.restore({ install });
          await files.write(own.name, document);
          return true;
        });
        if (done) taken.set(own.name, found);
        else lookups.set(`${own.name} ${key}`, Promise.resolve(undefined));
        return done === true;
      },
    };
  };

  /** Whether every part that this one comes after is what its key says, not left over from other tools or settings. */
  const isSettled = async (document: KeyDocument): Promise<boolean> => {
    for (const { name, key } of document.dependencies) {
      const last = await files.read(name);
      if (!last || keyOf(last) !== key) return false;
    }
    return true;
  };

  return {
    async find(own) {
      if (!isCacheable(own)) return undefined;
      return guarded(own.name, async () => {
        const document = await keys.document(own.name);
        if (!document) return undefined;
        const id = `${own.name} ${keyOf(document)}`;
        const running = lookups.get(id) ?? lookUp(own.name, document);
        lookups.set(id, running);
        const found = await running;
        return found && toBuild(own, found, document);
      });
    },
    pulled: (own, state) => keys.pulled(own.name, state),
    async built(own) {
      await files.remove(own.name);
      await guarded(own.name, async () => {
        const document = await keys.document(own.name);
        if (!document || !(await isSettled(document))) return;
        await files.write(own.name, document);
        if (!isCacheable(own)) return;
        built.set(own.name, { context: own, document, tree: await treeDigest(own.paths.install) });
      });
    },
    cachedParts: () => [...taken].flatMap(([part, found]) => toReport(part, found)),
    async store(report) {
      await storeParts([...built.values()], { ...options, context, report, builtBy: `craft ${version}` });
    },
  };
}

/** Later scripts that look into the part's own directories need a build that really ran. */
function isCacheable({ part }: PartContext): boolean {
  const later = `${part['override-stage'] ?? ''}\n${part['override-prime'] ?? ''}`;
  return !/CRAFT_PART_(SRC|BUILD)/.test(later);
}

function toReport(part: string, { artifact, key, record }: Taken): CraftCachedPart[] {
  if (!record) return [];
  const { manifest, origin } = artifact;
  return [
    {
      part,
      key,
      artifact: artifact.blob.sha256,
      origin: origin.remote,
      ...(origin.namespace === undefined ? {} : { namespace: origin.namespace }),
      ...(origin.writer === undefined ? {} : { writer: origin.writer }),
      'built-by': manifest['built-by'],
      recorded: {
        part,
        at: record.at,
        record: manifest.record?.sha256 ?? recordDigest(Buffer.alloc(0)),
        'session-id': record['session-id'],
        policy: record.policy,
      },
      record,
    },
  ];
}
