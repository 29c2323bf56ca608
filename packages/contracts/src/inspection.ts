import type { Readable } from 'node:stream';
import type { BodyDigests, Digest } from './digest.js';
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
}

/** A downloaded, spooled and hashed body as inspectors see it. */
export interface ArtifactView {
  readonly request: RequestView;
  /** Response status; 2xx with a body only. */
  readonly status: number;
  readonly responseHeaders: HeaderView;
  /** Digests and size of the bytes as they are handed to the client. */
  readonly digests: BodyDigests;
  /** Bytes. */
  readonly size: number;
  /** Sniffed or declared media type, lower case, without parameters. */
  readonly mediaType: string;
  /** Lower-case Content-Encoding of the response, undefined for identity. */
  readonly contentEncoding?: string | undefined;
  /** The bytes with Content-Encoding removed (expansion bounded). The caller consumes or destroys the stream. */
  open(): Readable;
  /** The bytes as handed to the client. */
  openRaw(): Readable;
  /** Digests and size of `open()`; equal to `digests`/`size` for identity. Computed once. */
  decoded(): Promise<{ readonly digests: BodyDigests; readonly size: number }>;
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
  /** Aborted on time-out, session end, or when the client is gone and nobody needs the result. */
  readonly signal: AbortSignal;
  readonly now: Date;
  /** Catalogs that this session trusts under a scope, oldest first. A catalog that no longer parses throws. */
  catalogs<Value = unknown>(scope: string): Promise<readonly Catalog<Value>[]>;
  /** A new private directory with a size bound, removed after the inspection. */
  scratch(): Promise<string>;
  /**
   * Fetches a companion of the artifact (e.g. `Release.gpg`) from the same origin, GET only, through the same egress
   * rules, recorded in the session; undefined unless the upstream answered 200 within `maxBytes`.
   */
  companion(url: URL, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Bytes of an artifact that the session already approved. */
  openArtifact(sha256: string): Readable;
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
  companion(url: URL, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Catalogs that the session trusts (all scopes), oldest first. */
  trustedCatalogs(scope: string): Promise<readonly CatalogRef[]>;
  openArtifact(sha256: string): Readable;
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
