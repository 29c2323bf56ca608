import type { JsonObject } from '@waybill/contracts';

/** What the JSON columns hold. */
export interface JsonColumns {
  readonly object: JsonObject;
  readonly texts: readonly string[];
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

/** A sha256 takes 32 bytes instead of 64 digits, in the table and in each index, and sorts the same. */
export const digestCodec = {
  toDriver: (value: string): Buffer => Buffer.from(value, 'hex'),
  fromDriver: (value: Uint8Array): string => Buffer.from(value).toString('hex'),
};
