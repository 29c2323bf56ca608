let waiting: (() => void)[] = [];

/** Calls back in the next turn of the event loop, all of one turn together. What throws is for nobody: callers do not. */
export function nextTurn(callback: () => void): void {
  if (waiting.push(callback) === 1) setImmediate(callAll);
}

function callAll(): void {
  const due = waiting;
  waiting = [];
  for (const callback of due) callback();
}
