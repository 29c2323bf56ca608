import { fromBinary } from '@bufbuild/protobuf';
import { createContextKey, type HandlerContext } from '@connectrpc/connect';
import type { CacheNamespace, CacheRight, CacheWriter } from '@waybill/cache-store';
import { RequestMetadataSchema } from '../gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import { type Caller, type Credentials, type Serving, writerOf } from '../serving/serving.js';

/** What a request shows of who calls; set before a handler sees it. No rights without. */
export const credentialsKey = createContextKey<Credentials>({ listener: { anonymous: 'none' } });

/** The namespace of a caller who may do what they ask. */
export interface Entered {
  readonly space: CacheNamespace;
  readonly writer: CacheWriter;
}

/** The instance of clients that name none. */
const defaultNamespace = 'main';

/** Instances are namespaces. */
export function namespaceOf(instance: string): string {
  return instance === '' ? defaultNamespace : instance;
}

/** @throws AccessError UNAUTHENTICATED */
export function callerOf(serving: Serving, context: HandlerContext): Promise<Caller> {
  return serving.identify(context.values.get(credentialsKey));
}

/**
 * Rights come first: who may not read learns nothing of which namespaces there are.
 * @throws AccessError UNAUTHENTICATED, FORBIDDEN
 * @throws CacheStoreError CACHE_NAMESPACE_UNKNOWN, CACHE_NAMESPACE_INVALID
 */
export async function enter(
  serving: Serving,
  context: HandlerContext,
  { instance, right }: { readonly instance: string; readonly right: CacheRight },
): Promise<Entered> {
  const caller = await callerOf(serving, context);
  const name = namespaceOf(instance);
  serving.require(caller, name, right);
  return { space: serving.store.namespace(name), writer: writerOf(caller, clientOf(context.requestHeader)) };
}

const metadataHeader = 'build.bazel.remote.execution.v2.requestmetadata-bin';

/** What the client calls itself: by its request metadata, else by its user agent. Never a reason for a right. */
export function clientOf(header: Headers): string | undefined {
  const agent = header.get('user-agent') ?? undefined;
  const encoded = header.get(metadataHeader);
  if (!encoded || encoded.length > 8192) return agent;
  try {
    const { toolDetails } = fromBinary(RequestMetadataSchema, Buffer.from(encoded, 'base64'));
    if (!toolDetails?.toolName) return agent;
    return printable(`${toolDetails.toolName} ${toolDetails.toolVersion}`.trim());
  } catch {
    return agent;
  }
}

/** Control characters have no place in a record that people read on a terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?').slice(0, 200);
}
