import { operate } from '../socket/operations.js';
import { openProfiler } from './announce.js';
import { within } from './process-events.js';
import { recordProfile } from './profile-file.js';
import { type RunContext, runForeground, type Serving, type ServingContext } from './run-foreground.js';
import type { ServeOptions } from './serve-options.js';
import { type Service, startService } from './service.js';
import { stopTimes } from './stop-times.js';
import { sweepLater } from './sweep-later.js';

/** Runs the daemon as one process. See {@link runForeground}. */
export function runDaemon(options: ServeOptions, context: RunContext): Promise<number> {
  return runForeground(options, context, (tools) => serveAlone(options, tools));
}

function serveAlone(options: ServeOptions, context: ServingContext): Serving {
  const { request, withinMs } = stopTimes(options);
  let service: Service | undefined;
  const running = (): Service => {
    if (!service) throw new Error('the service has not been started');
    return service;
  };
  return {
    async start() {
      const { cleanup, logger } = context;
      cleanup.add('profile', await recordProfile(options.profileDirectory));
      const started = await startService(options, context);
      service = started;
      await openProfiler(options.profilePort, context);
      // Below a quota they stay, to be used again.
      if (options.gc.quotaBytes === undefined) sweepLater(started.reaper, logger);
      return started.facts;
    },
    hasSessions: () => service?.hasSessions() ?? true,
    carryOut: (asked) => operate(running().targets, asked),
    reloadCertificate: () => running().reloadCertificate(),
    end(stop, finish) {
      const work = async () => {
        // After a crash nobody is kept waiting by what may be broken.
        if (stop && stop.exitCode !== 2) await service?.retire(request);
        return finish();
      };
      return within(withinMs, work());
    },
  };
}
