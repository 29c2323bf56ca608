import { createHash } from 'node:crypto';
import { z } from 'zod';

/** Version of the document: changes when a craft of another version would build something else from the same inputs. */
export const keyFormat = 1;

const text = z.record(z.string(), z.string());

/** A part that another one comes after. `key`, `stage` and `override-stage` are absent in the document of a weak key. */
const dependencySchema = z.strictObject({
  name: z.string(),
  key: z.string().optional(),
  stage: z.array(z.string()).optional(),
  'override-stage': z.string().optional(),
});

/**
 * Everything that decides what the build of a part installs, as far as craft knows it. Its canonical JSON is what a cache key
 * is the sha256 of. docs/artifact-cache/keys.md describes it.
 */
export const keyDocumentSchema = z.strictObject({
  format: z.literal(keyFormat),
  project: z.strictObject({ name: z.string(), version: z.string().optional(), platform: z.string() }),
  target: z.strictObject({ 'build-on': z.string(), 'build-for': z.string() }),
  part: z.strictObject({ name: z.string(), definition: z.record(z.string(), z.json()) }),
  plugin: z.strictObject({ name: z.string(), version: z.string() }),
  source: text,
  'stage-packages': text,
  'build-packages': text,
  dependencies: z.array(dependencySchema),
  environment: z.strictObject({
    kind: z.string(),
    base: text,
    umask: z.string(),
    variables: text,
    tools: text,
  }),
  /** Session of the build, in the document of a name only: see {@link nameDocument}. */
  session: z.enum(['strict', 'permissive', 'none']).optional(),
  /** Directory of the build, in the document of a name only. */
  place: z.string().optional(),
});
export type KeyDocument = z.infer<typeof keyDocumentSchema>;

/** In what kind of session something was built. */
export type SessionClass = NonNullable<KeyDocument['session']>;

/** What tells names of one key apart. */
export interface NameVariant {
  readonly session: SessionClass;
  /** Directory of the build, when what it installed names that directory. */
  readonly place?: string | undefined;
}

/**
 * The one spelling of a document: keys in the order of their UTF-16 code units, no white space, absent members left out.
 * @see RFC 8785, of which this is the part that documents without fractions need
 */
export function canonicalText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalText(member)}`);
  return `{${members.join(',')}}`;
}

/** sha256 of a document, in hex. */
export function keyOf(document: KeyDocument): string {
  return createHash('sha256').update(canonicalText(document)).digest('hex');
}

/** The document of the weak key: dependencies count by their names only. */
export function weakDocument(document: KeyDocument): KeyDocument {
  return { ...document, dependencies: document.dependencies.map(({ name }) => ({ name })) };
}

/**
 * The document under whose key an artifact is published. What was built in a strict session and what was not have different
 * names, so that neither stands in the other's way; the same holds for what works in one directory only.
 */
export function nameDocument(document: KeyDocument, variant: NameVariant): KeyDocument {
  return { ...document, session: variant.session, ...(variant.place === undefined ? {} : { place: variant.place }) };
}
