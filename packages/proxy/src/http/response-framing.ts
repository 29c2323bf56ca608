import type { HeaderView } from '@waybill/contracts';

/**
 * Why an upstream's head cannot be believed, or undefined. Our parser takes an unknown `Transfer-Encoding` for "until the
 * connection ends": the chunks themselves would become the body, and a body cut short would look whole.
 */
export function responseFault(headers: HeaderView, mostFields: number): string | undefined {
  if (headers.raw.length > 2 * mostFields) return `sent more than ${mostFields} header fields`;
  const coding = headers.get('transfer-encoding');
  if (coding === undefined || coding.trim().toLowerCase() === 'chunked') return undefined;
  return `sent Transfer-Encoding ${JSON.stringify(coding.slice(0, 100))}, which is nothing but chunked here`;
}
