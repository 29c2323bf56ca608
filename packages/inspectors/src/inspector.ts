import type {
  ArtifactInspection,
  ArtifactView,
  CatalogParser,
  InspectionContext,
  RequestInspection,
  RequestView,
  VouchedDigest,
} from '@waybill/contracts';

/**
 * Recognises one format and gives an opinion. Keeps no state, blocks nothing: the policy engine decides. What spans artifacts
 * is offered as a catalog (`provides`) and read back through `context.catalogs(scope)`.
 */
export interface Inspector<Expected = unknown> {
  /** `<ecosystem>.<format>`, lower case, fixed once released: session reports show it. */
  readonly id: string;
  /** Runs before the upstream is contacted; the request body, if any, is already bounded. No I/O. undefined = not mine. */
  inspectRequest(request: RequestView): RequestInspection<Expected> | undefined;
  /**
   * Digests known before the body is fetched; only for requests this inspector claimed with Pending. Asks for companions only
   * when `context.mayFetch` says so: otherwise the body is on its way already, or will be fetched in any case.
   */
  vouchedDigests?(
    request: RequestView,
    expected: Expected,
    context: InspectionContext,
  ): Promise<readonly VouchedDigest[]>;
  /**
   * Runs once the body is spooled and hashed. `expected` is undefined when this inspector did not claim the request
   * (permissive sessions run all inspectors): it may then still recognise the format. undefined = nothing to say.
   */
  inspectArtifact(
    artifact: ArtifactView,
    expected: Expected | undefined,
    context: InspectionContext,
  ): Promise<ArtifactInspection | undefined>;
  /** Parsers of the catalogs that this inspector offers. */
  readonly catalogs?: readonly CatalogParser[];
}
