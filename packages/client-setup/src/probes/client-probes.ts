import type { ClientProbe } from './client-probe.js';
import { javascriptProbes } from './javascript.js';
import { jvmProbes } from './jvm.js';
import { languageProbes } from './languages.js';
import { pythonProbes } from './python.js';
import { systemProbes } from './system.js';
import { transferProbes } from './transfer.js';

/** A way to try each client that this package prepares, where one is known that was seen to work. */
export const clientProbes: readonly ClientProbe[] = [
  ...transferProbes,
  ...javascriptProbes,
  ...pythonProbes,
  ...languageProbes,
  ...jvmProbes,
  ...systemProbes,
];
