/** A set-up step that cannot go on: what failed, and what the reader can do about it. */
export class SetupError extends Error {
  constructor(message, hint) {
    super(message);
    this.name = 'SetupError';
    this.hint = hint;
  }
}

export function say(line) {
  process.stderr.write(`waybill: ${line}\n`);
}

/** Ends the process with the error as a person can use it; anything unexpected keeps its stack. */
export function die(error) {
  if (error instanceof SetupError) {
    process.stderr.write(`\nwaybill: set-up failed: ${error.message}\n`);
    if (error.hint) process.stderr.write(`waybill: ${error.hint}\n`);
  } else {
    process.stderr.write(`\nwaybill: set-up failed unexpectedly: ${error?.stack ?? error}\n`);
  }
  process.exit(1);
}
