import { type LifecycleContext, type PartContext, partContext } from '../lifecycle/context.js';
import type { StepState } from '../lifecycle/state.js';
import { createBuildTools } from './build-tools.js';
import { type KeyDocument, keyOf } from './key-document.js';
import { partDocument } from './part-document.js';
import { fixedIdentity, pulledIdentity, type SourceIdentity } from './source-identity.js';

/** Key documents of the parts of one build. */
export interface PartKeys {
  /** `undefined` while it, or a part it comes after, has a source that only its pull identifies. */
  document(name: string): Promise<KeyDocument | undefined>;
  /** The pull of a part is done: from now on what lies there counts. */
  pulled(name: string, state: StepState): void;
}

/** @see PartKeys */
export function createPartKeys(context: LifecycleContext): PartKeys {
  const tools = createBuildTools(context);
  const pulls = new Map<string, StepState>();
  const identities = new Map<string, Promise<SourceIdentity | undefined>>();
  const identity = (own: PartContext) => {
    const state = pulls.get(own.name);
    const key = `${own.name} ${state?.id ?? ''}`;
    const running = identities.get(key) ?? (state ? pulledIdentity(own, state) : fixedIdentity(own));
    identities.set(key, running);
    return running;
  };
  const document = async (name: string): Promise<KeyDocument | undefined> => {
    const own = partContext(context, name);
    const found = await identity(own);
    if (!found) return undefined;
    const dependencyKeys = new Map<string, string>();
    for (const other of own.part.after) {
      const theirs = await document(other);
      if (!theirs) return undefined;
      dependencyKeys.set(other, keyOf(theirs));
    }
    return partDocument(own, { identity: found, dependencyKeys, tools });
  };
  return { document, pulled: (name, state) => void pulls.set(name, state) };
}
