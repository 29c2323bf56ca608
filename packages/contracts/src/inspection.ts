import type { Readable } from 'node:stream';
import type { ByteRange } from './blob-store.js';
import type { BodyDigestAlgorithm, BodyDigests, Digest } from './digest.js';
import type { JsonObject } from './json.js';
import type { ArtifactMetadata } from './report.js';

/** Strict refuses what is not approved; permissive delivers it and records the same verdict. */
export type SessionPolicy = 'strict' | 'permissive';

/** What an inspector may say about a request. specs/fetch-service.md §1. */
export type RequestOpinion = 'Pending' | 'Rejected' | 'Unknown';

/** What an inspector may say about an artifact. */
export type ArtifactOpinion = 'Approved' | 'Rejected' | 'Unknown';

/** The policy engine's answer. */
export type Result = 'Approved' | 'Rejected';

/** Read access to header fields; names are case-insensitive. */
export interface HeaderView {
  /** All values joined by `, `, or undefined when absent. */
  get(name: string): string | undefined;
  /** Node's raw list: name, value, name, value … as received. */
  readonly raw: readonly string[];
}

/** A request as inspectors see it. Credentials of the proxy are already removed. */
export interface RequestView {
  /** Upper case. */
  readonly method: string;
  /** Absolute URL without fragment and user info. */
  readonly url: URL;
  /** URL text with the https default port explicit (`https://host:443/path?query`), http without its default port. specs §3.3. All globs match against this. */
  readonly normalizedUrl: string;
  readonly headers: HeaderView;
  /** The whole request body with any Content-Encoding removed; undefined when there is none or it exceeds the inspection limit. */
  readonly body?: Uint8Array | undefined;
}

/** One inspector's view of a request. */
export interface RequestInspection<Expected = unknown> {
  readonly opinion: RequestOpinion;
  readonly reason: string;
  readonly annotations?: JsonObject | undefined;
  /** What the artifact phase needs to know; never recorded. */
  readonly expected?: Expected | undefined;
  /** What of this very request the inspector has looked at and the format needs, beyond what the request policy lets pass. */
  readonly needs?: readonly RequestNeed[] | undefined;
  /** What the service answers by itself with status 200, by a key of the configuration: no upstream is asked. Inspected like a download. */
  readonly answer?: OwnAnswer | undefined;
  /** What comes is a credential: its digest and size are recorded, its bytes kept nowhere. At most 1 MiB. */
  readonly secretAnswer?: boolean | undefined;
}

/** An answer of the service's own. */
export interface OwnAnswer {
  readonly contentType: string;
  readonly body: string;
}

/** A part of a request that carries something to the upstream: its method, its query string, its body. */
export type RequestNeed = 'method' | 'query' | 'body';

/** A downloaded, spooled and hashed body as inspectors see it. */
export interface ArtifactView {
  readonly request: RequestView;
  /** Response status; 2xx with a body only. */
  readonly status: number;
  readonly responseHeaders: HeaderView;
  /** Digests of the bytes as they are handed to the client, as far as they are known. */
  readonly digests: BodyDigests;
  /** A digest of these bytes; one that is not in `digests` is computed by reading them, once, and is there from then on. */
  digest(algorithm: BodyDigestAlgorithm): Promise<string>;
  /** Bytes. */
  readonly size: number;
  /** Sniffed or declared media type, lower case, without parameters. */
  readonly mediaType: string;
  /** Lower-case Content-Encoding of the response, undefined for identity. */
  readonly contentEncoding?: string | undefined;
  /** The bytes of `open()` from their start, when they are at hand: all of them, or 64 KiB at least. */
  readonly head?: Uint8Array | undefined;
  /** The bytes with Content-Encoding removed (expansion bounded). The caller consumes or destroys the stream. */
  open(): Readable;
  /** The bytes as handed to the client, or a range of them. The caller consumes or destroys the stream. */
  openRaw(range?: ByteRange): Readable;
  /** Digests and size of `open()`, with sha512; those of the bytes themselves for identity. Computed once. */
  decoded(): Promise<{ readonly digests: Required<BodyDigests>; readonly size: number }>;
}

/** Who stands for an artifact: another artifact of this session, or a trust root. */
export type VouchLink =
  | {
      /** An index or other approved artifact of the session. */
      readonly kind: 'artifact';
      readonly sha256: string;
      readonly inspector: string;
      readonly name: string;
    }
  | {
      /** An OpenPGP or other signing key; `id` is its fingerprint in upper-case hex. */
      readonly kind: 'key';
      readonly id: string;
      readonly name: string;
    }
  | {
      /** An origin that the configuration trusts; `id` is the configuration path, e.g. `npm.registries.default`. */
      readonly kind: 'origin';
      readonly id: string;
      readonly name: string;
    }
  | {
      /** A digest pinned in the configuration or proven by the protocol itself (e.g. a git object id named by the client). */
      readonly kind: 'digest';
      readonly id: string;
      readonly name: string;
    };

/** One inspector's view of an artifact. */
export interface ArtifactInspection {
  readonly opinion: ArtifactOpinion;
  readonly reason: string;
  readonly annotations?: JsonObject | undefined;
  /** Fields that this inspector knows; later inspectors override earlier ones field by field. */
  readonly metadata?: Partial<ArtifactMetadata> | undefined;
  /** Who stands for these bytes. */
  readonly vouchedBy?: readonly VouchLink[] | undefined;
  /** Catalogs that this artifact is, trusted for the session once (and only if) the overall result is Approved. */
  readonly provides?: readonly CatalogOffer[] | undefined;
}

/** An inspector's statement that an artifact is an index which may vouch for others. */
export interface CatalogOffer {
  /** Where it is looked up again: `<kind>:<repository or registry>[:…]`; agreed between the inspectors of one ecosystem. */
  readonly scope: string;
  /** Which parser makes its value out of the bytes: a {@link CatalogParser} `kind`. */
  readonly kind: string;
  /** Anything the parser or a reader needs beside the bytes (e.g. the path the index has in its release); small. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
}

/** A catalog that a session trusts. The value itself is rebuilt from the blob and shared between sessions. */
export interface CatalogRef extends CatalogOffer {
  /** The index artifact's bytes. */
  readonly sha256: string;
  /** Id of the inspector that offered it. */
  readonly inspector: string;
  /** Normalised URL the index came from. */
  readonly url: string;
  /** Short name for chains in reports, e.g. `InRelease`. */
  readonly name: string;
}

/** A trusted catalog together with its parsed, immutable value. */
export interface Catalog<Value = unknown> {
  readonly ref: CatalogRef;
  readonly value: Value;
}

/** Parses an index once per digest into an immutable value. */
export interface CatalogParser<Value = unknown> {
  /** Unique; part of the cache key beside the digest and attributes. */
  readonly kind: string;
  /** @param bytes the index as handed to the client, Content-Encoding removed. */
  parse(bytes: Readable, ref: CatalogRef, signal: AbortSignal): Promise<Value>;
  /** Estimated memory of a value in bytes, for the bounded cache. */
  weigh(value: Value): number;
  /** Set when the value depends on the bytes alone, not on the reference: it is then kept under their digest. */
  readonly derivation?: Derivation<Value> | undefined;
}

/**
 * Something that follows from bytes alone, whoever asks: a parsed index, the manifest inside an archive. Worth keeping by the
 * digest of the bytes; holds facts, never an opinion.
 */
export interface Derivation<Value> {
  /** Unique, with the version of what makes it: `apt.packages/2`. Other results out of the same bytes need another one. */
  readonly id: string;
  /** Memory of a value in bytes. Values are immutable. */
  weigh(value: Value): number;
  /** For keeping it on disk; left out, or undefined, for what is quickly made again. */
  pack?(value: Value): Uint8Array | undefined;
  /** @throws anything for bytes that `pack` did not make: the value is then made again */
  unpack?(bytes: Uint8Array): Value;
}

/** A digest that trusted catalogs or the configuration vouch for, known before the body is fetched. */
export interface VouchedDigest {
  /** Acceptable digests of the body; the strongest that the body is hashed with decides. */
  readonly digests: readonly Digest[];
  /** Exact size in bytes when known. */
  readonly size?: number | undefined;
  readonly vouchedBy: VouchLink;
}

/** What the artifact phase offers an inspector. */
export interface InspectionContext {
  /**
   * Whom an inspector may remember something for: inspectors outlive sessions, and those of equal configurations share them. What
   * one session has seen or trusts is no other's.
   */
  readonly sessionId: string;
  /** Aborted on time-out, session end, or when the client is gone and nobody needs the result. */
  readonly signal: AbortSignal;
  readonly now: Date;
  /** Catalogs that this session trusts under a scope, oldest first. A catalog that no longer parses throws. */
  catalogs<Value = unknown>(scope: string): Promise<readonly Catalog<Value>[]>;
  /** A new private directory with a size bound, removed after the inspection. */
  scratch(): Promise<string>;
  /**
   * Fetches a companion of the artifact (e.g. `Release.gpg`) from the same origin, or from another one
   * where the session's inspectors claim the request, GET only, through the same egress
   * rules, recorded in the session; undefined unless the upstream answered 200 within `maxBytes`.
   * @param accept value of the request's Accept; default any type
   */
  companion(url: URL, maxBytes: number, accept?: string): Promise<Uint8Array | undefined>;
  /** Bytes of an artifact that the session already approved. */
  openArtifact(sha256: string): Readable;
  /**
   * What follows from bytes alone, kept from an earlier time or made now; a failure is not kept.
   * @param sha256 of the bytes that `make` reads, and nothing else
   */
  derived<Value>(derivation: Derivation<Value>, sha256: string, make: () => Promise<Value>): Promise<Value>;
  /** The same if it is kept. */
  findDerived<Value>(derivation: Derivation<Value>, sha256: string): Promise<Value | undefined>;
  /** Whether `vouchedDigests` may ask for companions: the body need not be fetched then when the store has it. Default false. */
  readonly mayFetch?: boolean | undefined;
}

/** A claim: one inspector's request inspection, kept for the artifact phase. */
export interface Claim {
  readonly inspector: string;
  readonly inspection: RequestInspection;
}

/** Artifact inspections by inspector id, in registration order, with what the overall decision needs. */
export interface ArtifactInspections {
  readonly inspections: ReadonlyMap<string, ArtifactInspection>;
  /** Merged metadata: sniffed type, digests and size filled in. */
  readonly metadata: ArtifactMetadata;
  readonly vouchedBy: readonly VouchLink[];
  readonly provides: readonly CatalogRef[];
}

/** Services that the pipeline lends to the runner for one exchange. */
export interface InspectionServices {
  readonly signal: AbortSignal;
  readonly sessionId: string;
  readonly policy: SessionPolicy;
  companion(url: URL, maxBytes: number, accept?: string): Promise<Uint8Array | undefined>;
  /** Catalogs that the session trusts (all scopes), oldest first. */
  trustedCatalogs(scope: string): Promise<readonly CatalogRef[]>;
  openArtifact(sha256: string): Readable;
  /** See {@link InspectionContext.mayFetch}. */
  readonly mayFetch?: boolean | undefined;
}

/**
 * All inspectors of one session, bound to its configuration snapshot. Never throws for what an inspector does: a throw, a
 * time-out or an abort becomes `Rejected` under that inspector's id (promise 5).
 */
export interface SessionInspectors {
  /** All ids in registration order, `default` last. */
  readonly ids: readonly string[];
  /** Claims in registration order. `default` says Unknown when nobody claimed the request. */
  inspectRequest(request: RequestView): readonly Claim[];
  /** Digests that are vouched for before anything is fetched; empty when nobody can say. */
  vouchedDigests(
    request: RequestView,
    claims: readonly Claim[],
    services: InspectionServices,
  ): Promise<readonly VouchedDigest[]>;
  /** Strict: inspectors whose claim is Pending, and `default`. Permissive: all. specs §4.2. */
  inspectArtifact(
    artifact: ArtifactView,
    claims: readonly Claim[],
    services: InspectionServices,
  ): Promise<ArtifactInspections>;
}
