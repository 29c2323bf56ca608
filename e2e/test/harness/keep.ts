import { afterAll, onTestFinished } from 'vitest';

/** What has to be closed. */
export interface Closable {
  close(): Promise<unknown>;
}

/** Remembers what a file's tests share; all of it is closed when they are through, last first. */
export function keepForFile(): <Thing extends Closable>(thing: Thing) => Thing {
  const kept: Closable[] = [];
  afterAll(async () => {
    for (const thing of kept.reverse()) await thing.close();
  });
  return (thing) => {
    kept.push(thing);
    return thing;
  };
}

/** Closes something when the current test is through. */
export function keepForTest<Thing extends Closable>(thing: Thing): Thing {
  onTestFinished(async () => {
    await thing.close();
  });
  return thing;
}
