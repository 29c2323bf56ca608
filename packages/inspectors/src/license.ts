import correct from 'spdx-correct';
import parse from 'spdx-expression-parse';

/**
 * License text as an SPDX expression where that needs no guessing, else the text itself. A correction is taken only when
 * every part of it stands in the text: `Apache License, Version 2.0` is Apache-2.0, but `BSD`, `GPL` or `GPLv3` stay what they are,
 * because which of several licenses they mean is not said.
 */
export function normalizeLicense(text: string): string {
  const given = text.replace(/\s+/g, ' ').trim().slice(0, 1000);
  if (given === '' || isExpression(given)) return given;
  const corrected = correct(given, { upgrade: false });
  return corrected !== null && isExpression(corrected) && saysAllOf(given, corrected) ? corrected : given;
}

function isExpression(text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether each part of the identifier (`Apache`, `2.0`) is in the text; a closing `.0` may be left out. */
function saysAllOf(text: string, identifier: string): boolean {
  const said = words(text);
  return words(identifier).every((word) => said.includes(word));
}

function words(text: string): string[] {
  return (text.toLowerCase().match(/[a-z]+|\d+(\.\d+)*/g) ?? []).map((word) => word.replace(/(\.0)+$/, ''));
}
