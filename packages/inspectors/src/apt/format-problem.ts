/** Bytes that are not what their format asks for: caught by the inspector and said in its rejection. */
export class FormatProblem extends Error {
  override readonly name = 'FormatProblem';
}

/** Quotes what a server sent: short, and without control characters. */
export function quote(text: string, longest = 80): string {
  return JSON.stringify(text.length > longest ? `${text.slice(0, longest)}…` : text);
}

/** What a caught error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
