import type { WaybillDaemon } from '../engines/waybill-daemon.ts';
import type { Say, Stage } from '../stage.ts';

/** One thing of our service that is measured by itself. */
export interface Micro {
  readonly id: string;
  run(context: MicroContext): Promise<readonly MicroNumber[]>;
}

export interface MicroContext extends Pick<Stage, 'driver' | 'upstream' | 'ca'> {
  /** Started for this one alone. */
  readonly daemon: WaybillDaemon;
  readonly scale: MicroScale;
  readonly say: Say;
}

/** How much is done; the quick one only shows that it works. */
export interface MicroScale {
  readonly sessions: number;
  readonly artifacts: number;
}

export const fullScale: MicroScale = { sessions: 300, artifacts: 100_000 };
export const quickScale: MicroScale = { sessions: 30, artifacts: 2_000 };

export interface MicroNumber {
  readonly title: string;
  readonly unit: string;
  readonly value: number;
  /** What it should stay below, if anything was said. */
  readonly below?: number;
}
