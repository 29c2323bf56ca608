import type { InspectorsConfigInput } from '@waybill/contracts';
import { quantileOf } from '../results/statistics.ts';
import type { Micro, MicroContext, MicroNumber } from './micro.ts';

/** `POST /session` one after the other, as a client sees it: plain http on a kept connection, the record of it durable. */
export const sessionCreation: Micro = {
  id: 'session-creation',
  async run(context) {
    const plain = await measure(context, {});
    const pinned = await measure(context, { generic: { files: pins(1_000) } });
    return [
      ...numbers('session creation', plain, 5),
      ...numbers('session creation, 1 000 pinned files in the request', pinned),
    ];
  },
};

async function measure({ daemon, scale }: MicroContext, config: InspectorsConfigInput): Promise<number[]> {
  const warmUp = Math.ceil(scale.sessions / 10);
  const times: number[] = [];
  for (let index = 0; index < warmUp + scale.sessions; index++) {
    const begin = performance.now();
    const session = await daemon.control.createSession('strict', config);
    if (index >= warmUp) times.push(performance.now() - begin);
    await daemon.control.revokeToken(session);
  }
  return times;
}

function numbers(what: string, times: readonly number[], below?: number): MicroNumber[] {
  return [
    { title: `${what}, median`, unit: 'ms', value: quantileOf(times, 0.5), ...(below !== undefined && { below }) },
    { title: `${what}, 99th percentile`, unit: 'ms', value: quantileOf(times, 0.99) },
  ];
}

function pins(count: number) {
  return Array.from({ length: count }, (_, index) => ({
    url: `https://files.example/${index}`,
    sha256: index.toString(16).padStart(64, '0'),
  }));
}
