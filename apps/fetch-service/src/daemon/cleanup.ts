import type { Logger } from '@waybill/contracts';
import { messageOf } from '../errors.js';

/** What must be undone when the daemon stops or cannot start, last thing first. */
export class Cleanup {
  readonly #steps: { readonly name: string; readonly run: () => unknown }[] = [];

  add(name: string, run: () => unknown): void {
    this.#steps.push({ name, run });
  }

  /** Runs every step, whatever fails. @returns whether all went well */
  async run(logger: Logger): Promise<boolean> {
    let isClean = true;
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.run();
      } catch (cause) {
        isClean = false;
        logger.error({ step: step.name, error: messageOf(cause) }, 'a part of the service did not stop cleanly');
      }
    }
    return isClean;
  }
}
