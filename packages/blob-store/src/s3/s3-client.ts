import type { S3Client } from '@aws-sdk/client-s3';
import type { S3Credentials, S3Location } from './s3-options.js';

/** The AWS SDK, loaded when S3 is used, and where its requests go. */
export interface S3Access {
  readonly sdk: typeof import('@aws-sdk/client-s3');
  readonly client: S3Client;
  /** The bucket's own URL: path-style or its own host. Ends without a slash. */
  readonly bucketUrl: URL;
  readonly region: string;
  credentials(): Promise<S3Credentials>;
}

/** Loading the SDK takes about 100 ms and 25 MB: who keeps blobs in files does not pay. */
export async function openS3Access(
  location: S3Location,
  { timeoutMs, connections }: { readonly timeoutMs: number; readonly connections: number },
): Promise<S3Access> {
  const sdk = await import('@aws-sdk/client-s3');
  const { endpoint, region, bucket, forcePathStyle, credentials } = location;
  const client = new sdk.S3Client({
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(credentials && { credentials }),
    forcePathStyle,
    requestHandler: {
      connectionTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      httpAgent: { keepAlive: true, maxSockets: connections },
      httpsAgent: { keepAlive: true, maxSockets: connections },
    },
    // Ours are bounded by time and cover more than single requests.
    maxAttempts: 1,
    // Servers that are not Amazon's know neither CRC headers nor trailers; the payload's own hash is signed.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const { config } = client;
  const resolvedRegion = await config.region();
  const resolved = config.endpointProvider({
    Bucket: bucket,
    Region: resolvedRegion,
    ForcePathStyle: forcePathStyle,
    UseFIPS: await config.useFipsEndpoint(),
    UseDualStack: await config.useDualstackEndpoint(),
    ...(endpoint !== undefined && { Endpoint: endpoint }),
  });
  return { sdk, client, bucketUrl: resolved.url, region: resolvedRegion, credentials: () => config.credentials() };
}
