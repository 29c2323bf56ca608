import { buffer } from 'node:stream/consumers';
import type { CatalogParser, InspectionContext } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { field, JsonShapeError, list, objectOf, parseJson, textOf } from '../json-shape.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import type { SnapStore } from './snap-store.js';

/** One thing that a client wants done. */
interface Action {
  readonly action: string;
  readonly key: string;
  readonly snapId: string;
  readonly channel: string;
}

/** One thing that the store says of it. */
export interface RefreshResult {
  readonly snapId: string;
  readonly name: string;
  readonly revision: string;
  readonly channel: string;
  readonly requested: string;
}

const kind = 'snap.refresh';
const scope = kind;
const answerBytes = 16 * 2 ** 20;
const actions = new Set(['install', 'refresh', 'download', 'fetch-assertions']);
const requestKeys = new Set(['context', 'actions', 'fields', 'assertion-max-formats', 'metrics']);

const parser: CatalogParser<readonly RefreshResult[]> = {
  kind,
  async parse(bytes, ref) {
    const wanted = JSON.parse(ref.attributes?.actions ?? '[]') as Action[];
    return readResults(parseJson(await buffer(bytes), answerBytes), wanted, false);
  },
  weigh: (results) => 400 * results.length + 200,
};

/** What to install, answered by the store: names, revisions and channels, which assertions prove later. docs/inspectors/snap.refresh.md */
export function snapRefresh(store: SnapStore | undefined): Inspector<readonly Action[]> {
  return {
    id: kind,
    catalogs: [parser],
    inspectRequest(request) {
      if (store?.pathOf(request) !== 'v2/snaps/refresh') return undefined;
      if (request.method !== 'POST')
        return rejectedRequest(`a refresh is asked for with POST, found ${request.method}`);
      let wanted: readonly Action[];
      try {
        wanted = readActions(request.body);
      } catch (error) {
        if (!(error instanceof JsonShapeError)) throw error;
        return rejectedRequest(`not a request for a refresh: ${error.message}`);
      }
      const notes = { actions: wanted.slice(0, 50).map(({ action, key }) => `${action} ${key}`) };
      return { ...pending(`${wanted.length} actions of the snap store`, wanted, notes), needs: ['method', 'body'] };
    },
    async inspectArtifact(artifact, wanted, context) {
      if (!wanted || !store) return undefined;
      context.signal.throwIfAborted();
      try {
        const results = readResults(parseJson(await buffer(artifact.open()), answerBytes), wanted, true);
        const [only] = results;
        const offer = { scope, kind, attributes: { actions: JSON.stringify(wanted).slice(0, 8000) } };
        // What does not fit into the attributes is not looked up later.
        const isSmall = JSON.stringify(wanted).length <= 8000;
        return approved(`${results.length} results for ${wanted.length} actions`, {
          metadata: {
            type: 'application/x.canonical.snap-refresh',
            name: results.length === 1 && only ? only.name : 'snap refresh',
            vendor: store.host,
            ...(results.length === 1 && only && { 'content-id': `${only.channel}:${only.revision}` }),
          },
          vouchedBy: [store.origin],
          provides: isSmall ? [offerWithValue(offer, results)] : [],
          annotations: {
            'refresh-results': results
              .slice(0, 100)
              .map(({ name, snapId, revision, channel }) => ({ name, 'snap-id': snapId, revision, channel })),
          },
        });
      } catch (error) {
        if (!(error instanceof JsonShapeError)) throw error;
        return rejected(`the answer to a refresh: ${error.message}`);
      }
    },
  };
}

/** Channels under which the session was told of a revision. */
export async function channelsOf(
  context: InspectionContext,
  { snapId, revision }: { readonly snapId: string; readonly revision: string },
): Promise<{ readonly requested?: string; readonly effective?: string }> {
  const catalogs = await context.catalogs<readonly RefreshResult[]>(scope);
  const found = catalogs
    .flatMap(({ value }) => value)
    .findLast((one) => one.snapId === snapId && one.revision === revision);
  return found ? { requested: found.requested, effective: found.channel } : {};
}

function readActions(body: Uint8Array | undefined): Action[] {
  const request = objectOf(parseJson(Buffer.from(body ?? []), 1 << 20), 'the request');
  const strange = Object.keys(request).find((key) => !requestKeys.has(key));
  if (strange !== undefined) throw new JsonShapeError(`the field ${JSON.stringify(strange.slice(0, 100))}`);
  return list(field(request, 'actions'), 'actions').map((entry) => {
    const one = objectOf(entry, 'an action');
    const action = textOf(field(one, 'action'));
    if (!actions.has(action)) throw new JsonShapeError(`the action ${JSON.stringify(action.slice(0, 100))}`);
    return {
      action,
      key: textOf(field(one, 'instance-key')) || textOf(field(one, 'key')),
      snapId: textOf(field(one, 'snap-id')),
      channel: textOf(field(one, 'channel')),
    };
  });
}

/** @param isStrict whether results that contradict the actions are a fault; they were looked at before */
function readResults(document: unknown, wanted: readonly Action[], isStrict: boolean): RefreshResult[] {
  const results: RefreshResult[] = [];
  for (const entry of list(field(objectOf(document, 'the answer'), 'results'), 'results')) {
    const one = objectOf(entry, 'a result');
    const result = textOf(field(one, 'result'));
    const key = textOf(field(one, 'instance-key')) || textOf(field(one, 'key'));
    const action = wanted.find((candidate) => candidate.key === key);
    if (!action) {
      if (isStrict)
        throw new JsonShapeError(`a result for ${JSON.stringify(key.slice(0, 100))}, which was not asked for`);
      continue;
    }
    // Nothing came of it, or assertions only, which are verified when they are fetched.
    if (result === 'error' || action.action === 'fetch-assertions') continue;
    const snapId = textOf(field(one, 'snap-id'));
    const name = textOf(field(one, 'name'));
    const channel = textOf(field(one, 'effective-channel'));
    if (isStrict) {
      if (result !== action.action)
        throw new JsonShapeError(`the result ${JSON.stringify(result.slice(0, 50))} of ${action.action} ${key}`);
      if (action.snapId !== '' && action.snapId !== snapId)
        throw new JsonShapeError(`the snap ${JSON.stringify(snapId.slice(0, 100))} for ${action.snapId}`);
      if (snapId === '' || name === '')
        throw new JsonShapeError(`a result for ${JSON.stringify(key.slice(0, 100))} without name or snap-id`);
    }
    const snap = field(one, 'snap');
    const revision =
      typeof snap === 'object' && snap !== null ? field(snap as Record<string, unknown>, 'revision') : undefined;
    results.push({ snapId, name, channel, requested: action.channel, revision: textOf(revision) });
  }
  return results;
}
