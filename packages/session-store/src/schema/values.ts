import type { ArtifactMetadata, CatalogRef, JsonObject, RecordedInspections } from '@waybill/contracts';

/** Header fields as recorded. */
export type Headers = Readonly<Record<string, readonly string[]>>;

/** What the JSON columns hold. */
export interface JsonColumns {
  readonly object: JsonObject;
  readonly texts: readonly string[];
  readonly headers: Headers;
  readonly inspections: RecordedInspections;
  readonly metadata: ArtifactMetadata;
  readonly catalogs: readonly CatalogRef[];
  readonly attributes: Readonly<Record<string, string>>;
}

/** Milliseconds since 1970: keeps them, sorts, and reads the same in both databases (PostgreSQL sends bigint as text). */
export type Instants = number | string;

export const instantCodec = {
  toDriver: (value: Date): Instants => value.getTime(),
  fromDriver: (value: Instants): Date => new Date(Number(value)),
};

/** JSON is kept as text that nobody rearranges: the order of keys is part of a report. */
export const jsonCodec = {
  toDriver: (value: unknown): string => JSON.stringify(value),
  fromDriver: (value: unknown) => (typeof value === 'string' ? JSON.parse(value) : value),
};
