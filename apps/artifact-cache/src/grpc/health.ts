import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { type Health, HealthCheckResponse_ServingStatus } from '../gen/grpc/health/v1/health_pb.js';

const { SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;

/** Health for probes, which have no credentials. The empty service stands for all. */
export function createHealth(services: readonly string[]): ServiceImpl<typeof Health> {
  const isKnown = (service: string) => service === '' || services.includes(service);
  return {
    async check({ service }) {
      if (!isKnown(service)) throw new ConnectError(`there is no service ${service.slice(0, 200)}`, Code.NotFound);
      return { status: SERVING };
    },
    async *watch({ service }, { signal }) {
      yield { status: isKnown(service) ? SERVING : SERVICE_UNKNOWN };
      // The status lasts as long as the process: a server that drains closes its connections.
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    },
    async list() {
      return { statuses: Object.fromEntries(['', ...services].map((name) => [name, { status: SERVING }])) };
    },
  };
}
