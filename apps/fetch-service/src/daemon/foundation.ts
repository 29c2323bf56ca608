import { type BlobStore, type Clock, type LeafIssuer, type SessionStore, systemClock } from '@waybill/contracts';
import { createInspectorRuntime, type InspectorRuntime } from '@waybill/inspectors';
import { loadServiceConfiguration, type ServiceConfiguration } from '../config/service-configuration.js';
import { type BodyReaper, createBodyReaper } from '../sessions/body-reaper.js';
import { type Certificates, openCertificates } from './certificates.js';
import type { DaemonContext } from './daemon-context.js';
import type { ServeOptions } from './serve-options.js';
import { prepareSpool } from './spool-directory.js';
import { openStorage } from './storage.js';
import { type UpstreamSettings, upstreamSettings } from './upstream.js';

/** A body may wait this long for its record; inspections take five minutes at most by default. */
const recordGraceMs = 30 * 60_000;

/** What the daemon stands on: everything that lies on the disk or in the database. */
export interface Foundation {
  readonly configuration: ServiceConfiguration;
  readonly certificates: Certificates;
  readonly upstream: UpstreamSettings;
  readonly store: SessionStore;
  readonly blobs: BlobStore;
  readonly reaper: BodyReaper;
  readonly inspectors: InspectorRuntime;
  readonly clock: Clock;
}

/** Who is told when something of it changes. */
export interface FoundationListeners {
  readonly onConfiguration: () => void;
  readonly onIssuer: (issuer: LeafIssuer) => void;
}

/** Opens it from the bottom up; what cannot be used is refused here. @throws errors of each part */
export async function openFoundation(
  options: ServeOptions,
  { environment, logger, cleanup, clock = systemClock }: DaemonContext,
  { onConfiguration, onIssuer }: FoundationListeners,
): Promise<Foundation> {
  const paths = await prepareSpool(options.spoolRoot);
  const configuration = await loadServiceConfiguration(options.configDirectory, onConfiguration);
  for (const warning of configuration.warnings) logger.warn({}, warning);
  const upstream = await upstreamSettings(environment, options.upstreamCaFiles);
  const certificates = await openCertificates({
    chosen: options.certificate,
    ownDirectory: paths.ca,
    clock,
    logger,
    onChange: onIssuer,
  });
  const { blobs, store } = await openStorage(options.spoolRoot, paths, options.databaseUrl, { clock, logger });
  cleanup.add('records', () => store.close());
  cleanup.add('bodies', () => blobs.close());
  const inspectors = createInspectorRuntime({ blobs, clock, scratchDir: paths.scratch, logger });
  cleanup.add('inspectors', () => inspectors.close());
  const reaper = createBodyReaper({ blobs, store, clock, graceMs: recordGraceMs });
  return { configuration, certificates, upstream, store, blobs, reaper, inspectors, clock };
}
