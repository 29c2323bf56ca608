import { topics } from '../cluster/topics.js';
import type { ConfigType, ServiceConfiguration } from '../config/service-configuration.js';
import type { ServiceMetrics } from '../metrics/service-metrics.js';
import type { SessionManager } from '../sessions/session-manager.js';
import type { OperationTargets } from '../socket/operations.js';
import type { Certificates } from './certificates.js';
import type { Peers } from './peers.js';

/** What a process does when another one of the daemon asks. */
export function dutiesFor(
  peers: Peers,
  parts: {
    readonly sessions: SessionManager;
    readonly configuration: Pick<ServiceConfiguration, 'reload'>;
    readonly certificates: Pick<Certificates, 'reload'>;
    readonly metrics: Pick<ServiceMetrics, 'values'>;
  },
): void {
  const { sessions, configuration, certificates, metrics } = parts;
  peers.on<string>(topics.stopSession, (id) => sessions.stop(id));
  peers.on<string>(topics.sessionChanged, (id) => sessions.refresh(id));
  peers.on<ConfigType>(topics.reloadConfiguration, (type) => configuration.reload(type));
  peers.on(topics.reloadCertificate, () => certificates.reload());
  peers.on(topics.metrics, () => metrics.values());
}

/** What changes files here is read again by the others before the change counts as made. */
export function tellPeers(
  peers: Peers | undefined,
  {
    configuration,
    certificates,
  }: { readonly configuration: ServiceConfiguration; readonly certificates: Certificates },
): Pick<OperationTargets, 'configuration' | 'updateCertificate'> {
  return {
    configuration: {
      async update(type, text, options = {}) {
        await configuration.update(type, text, options);
        if (!options.validateOnly) await peers?.ask(topics.reloadConfiguration, type);
      },
    },
    async updateCertificate(pem, validateOnly) {
      await certificates.update(pem, validateOnly);
      if (!validateOnly) await peers?.ask(topics.reloadCertificate);
    },
  };
}
