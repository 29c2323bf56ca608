import type { Moment, Span } from '../history.js';

/** What a name stands for: sha256 of the value, and of what it needs. */
export interface EntryValue {
  readonly value: string;
  readonly references: readonly string[];
}

/** A name was set or removed, or it was tried. */
export interface Write extends Span {
  readonly namespace: string;
  readonly key: string;
  /** undefined: removed. */
  readonly entry: EntryValue | undefined;
  /**
   * `done`: confirmed. `exists`: the name has another value, which stays. `refused`: nothing was changed. `unknown`: no answer, or
   * one that says nothing: it happened or it did not.
   */
  readonly outcome: 'done' | 'exists' | 'refused' | 'unknown';
  readonly status: number | undefined;
  readonly note?: string | undefined;
}

/** How a blob was read to its end, or not. */
export interface BlobRead extends Span {
  readonly sha256: string;
  /** `whole`: as its name says. `wrong`: complete, with other bytes. `broken`: no answer, or it broke off. */
  readonly outcome: 'whole' | 'wrong' | 'missing' | 'broken';
  readonly status: number | undefined;
  readonly note?: string | undefined;
}

/** A name was looked up, and what it needs was read. */
export interface Pull extends Span {
  readonly namespace: string;
  readonly key: string;
  /** `unanswered`: an error, or nothing. */
  readonly outcome: 'found' | 'missing' | 'unanswered';
  readonly entry?: EntryValue | undefined;
  readonly status: number | undefined;
  readonly blobs: readonly BlobRead[];
  /** Nothing was broken when it was asked: there has to be an answer. */
  readonly mustSucceed?: boolean | undefined;
  readonly note?: string | undefined;
}

/** Something that has to be refused or has to work whatever else happens: an upload, a collection, a question for blobs. */
export interface Deed extends Span {
  readonly what: string;
  readonly namespace: string;
  readonly status: number | undefined;
  /** What may be answered beside errors of a broken store. */
  readonly allowed: readonly number[];
  readonly note?: string | undefined;
}

/** Rules of a namespace that the model has to know. */
export interface NamespaceTruth {
  /** It has a quota: whatever nobody pinned may be gone. */
  readonly evicts: boolean;
  /** Bytes that are never exceeded. */
  readonly hardLimitBytes?: number | undefined;
}

/** `first`: a name that has a value keeps it. `last`: the latest value wins. The key's first segment says which. */
export type KeyRule = 'first' | 'last';

export function ruleOf(key: string): KeyRule {
  return key.startsWith('first/') ? 'first' : 'last';
}

/** Bytes that the server says a namespace takes. */
export interface UsageSeen {
  readonly at: Moment;
  readonly namespace: string;
  readonly bytes: number;
}

/** All that was seen of a server through every death of it. */
export interface CacheHistory {
  readonly namespaces: ReadonlyMap<string, NamespaceTruth>;
  readonly writes: readonly Write[];
  readonly pulls: readonly Pull[];
  readonly deeds: readonly Deed[];
  readonly usages: readonly UsageSeen[];
  /** While a store was out of order, or the server was told to stop. */
  readonly faults: readonly Span[];
}
