import type { Engine } from './engine.ts';

/** Client and upstream without anything between: the limit of the driver and of nginx. */
export const direct: Engine = {
  id: 'direct',
  does: 'no proxy: the limit of load driver and upstream on this machine',
  needsToKnowBodies: false,
  longWorks: false,
  find: async () => ({ version: '-' }),
  start: async ({ upstream }) => {
    const route = { host: upstream.host, port: upstream.port, ca: [upstream.caPem] };
    return { open: async () => ({ route }), stop: async () => {} };
  },
};
