import { type BlobStore, type Clock, type LeafIssuer, type SessionStore, systemClock } from '@waybill/contracts';
import { createInspectorRuntime, type InspectorRuntime } from '@waybill/inspectors';
import { type AnswerMemory, openAnswerLog } from '@waybill/proxy';
import { loadServiceConfiguration, type ServiceConfiguration } from '../config/service-configuration.js';
import { guardQuota } from '../gc/quota-guard.js';
import { type BodyReaper, createBodyReaper } from '../sessions/body-reaper.js';
import { readSecretKeys } from '../sessions/secret-keys.js';
import { createSecretSeal, type SecretSeal } from '../sessions/secret-seal.js';
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
  /** undefined: secrets of sessions live in memory. */
  readonly seal: SecretSeal | undefined;
  readonly store: SessionStore;
  readonly blobs: BlobStore;
  readonly answers: AnswerMemory;
  readonly reaper: BodyReaper;
  readonly inspectors: InspectorRuntime;
  readonly clock: Clock;
}

/** Who is told when something of it changes. */
export interface FoundationListeners {
  readonly onConfiguration: () => void;
  readonly onIssuer: (issuer: LeafIssuer) => void;
  /** Somebody waits for room below the quota. */
  readonly makeRoom: (bytes: number) => Promise<void>;
}

/** Opens it from the bottom up; what cannot be used is refused here. @throws errors of each part */
export async function openFoundation(
  options: ServeOptions,
  { environment, logger, cleanup, peers, clock = systemClock }: DaemonContext,
  { onConfiguration, onIssuer, makeRoom }: FoundationListeners,
): Promise<Foundation> {
  const paths = await prepareSpool(options.spoolRoot);
  const configuration = await loadServiceConfiguration(options.configDirectory, onConfiguration);
  for (const warning of configuration.warnings) logger.warn({}, warning);
  const upstream = await upstreamSettings(environment, options.upstreamCaFiles);
  const keys = (await readSecretKeys(environment)) ?? (peers?.ephemeralKey && [peers.ephemeralKey]);
  const seal = keys && createSecretSeal(keys);
  const certificates = await openCertificates({
    chosen: options.certificate,
    ownDirectory: paths.ca,
    clock,
    logger,
    onChange: onIssuer,
  });
  const {
    blobs,
    store,
    areBodiesShared: isShared,
  } = await openStorage(options.spoolRoot, paths, options, {
    slot: peers?.slot,
    clock,
    logger,
  });
  cleanup.add('records', () => store.close());
  cleanup.add('bodies', () => blobs.close());
  const inspectors = createInspectorRuntime({
    blobs,
    clock,
    scratchDir: paths.scratch,
    derivedDir: paths.derived,
    logger,
  });
  cleanup.add('inspectors', () => inspectors.close());
  const answers = await openAnswerLog({ file: paths.answers, logger });
  cleanup.add('remembered answers', () => answers.close());
  const { quotaBytes } = options.gc;
  const guarded = quotaBytes === undefined ? blobs : guardQuota(blobs, { quotaBytes, makeRoom });
  const keepsUnneeded = quotaBytes !== undefined;
  const reaper = createBodyReaper({ blobs: guarded, store, clock, graceMs: recordGraceMs, isShared, keepsUnneeded });
  return { configuration, certificates, upstream, seal, store, blobs, answers, reaper, inspectors, clock };
}
