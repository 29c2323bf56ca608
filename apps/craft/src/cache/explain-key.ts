import { canonicalText, type KeyDocument } from './key-document.js';

/** A field in which two documents differ. */
export interface KeyDifference {
  /** `source.commit`, `dependencies.lib.key`, `part.definition.organize`. */
  readonly field: string;
  /** Absent when the field is new. */
  readonly before: unknown;
  /** Absent when the field is gone. */
  readonly after: unknown;
}

/** Why the keys of two documents differ, field by field, in the order of the fields' names; empty when they do not. */
export function explainKey(before: KeyDocument, after: KeyDocument): KeyDifference[] {
  const [old, now] = [fieldsOf(before), fieldsOf(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  return names
    .filter((name) => textOf(old.get(name)) !== textOf(now.get(name)))
    .map((field) => ({ field, before: old.get(field), after: now.get(field) }));
}

function textOf(value: unknown): string | undefined {
  return value === undefined ? undefined : canonicalText(value);
}

/** Leaves of the document by their paths; lists stay whole, dependencies go by their names. */
function fieldsOf(document: KeyDocument): Map<string, unknown> {
  const dependencies = Object.fromEntries(document.dependencies.map(({ name, ...rest }) => [name, rest]));
  const fields = new Map<string, unknown>();
  const visit = (path: readonly string[], value: unknown): void => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      fields.set(path.join('.'), value);
      return;
    }
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    // An empty one says something as well: a dependency of a weak key, a part without any package.
    if (members.length === 0 && path[0] === 'dependencies' && path.length === 2) fields.set(path.join('.'), {});
    for (const [name, member] of members) visit([...path, name], member);
  };
  visit([], { ...document, dependencies });
  return fields;
}
