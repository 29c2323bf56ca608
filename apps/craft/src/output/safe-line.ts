import { stripControl } from '@waybill/contracts';

/** One line of output from texts that servers, packages and builds wrote: neither escapes nor a second, forged line. */
export function safeLine(text: string): string {
  return stripControl(text).replace(/\n+/g, ' ');
}
