import { redactText, stripControl } from '@waybill/contracts';

/** A reason or hint as one line without control characters: it quotes what servers and packages wrote. */
export function oneLine(text: string): string {
  return redactText(text.replace(/[\r\n]+/g, ' '));
}

/**
 * The same value with control characters replaced in every text of it, keys included; line breaks stay, descriptions have
 * some. A value in which nothing has to be replaced, which is nearly every one, is returned as it is.
 */
export function cleaned<Value>(value: Value): Value {
  return isClean(value) ? value : (replaced(value) as Value);
}

function isClean(value: unknown): boolean {
  if (typeof value === 'string') return stripControl(value) === value;
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isClean);
  for (const key of Object.keys(value)) {
    if (stripControl(key) !== key || !isClean((value as Record<string, unknown>)[key])) return false;
  }
  return true;
}

function replaced(value: unknown): unknown {
  if (typeof value === 'string') return stripControl(value);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(replaced);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [stripControl(key), replaced(item)]));
}
