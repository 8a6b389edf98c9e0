// Comments out of a WGSL text, for tests that look at the code alone: an implementation of its own, by characters.

/** The text with comments (line, and nested block ones) replaced by spaces, line breaks kept. */
export function maskComments(code: string): string {
  let masked = '';
  for (let at = 0; at < code.length; ) {
    if (code.startsWith('//', at)) {
      const end = code.indexOf('\n', at);
      const stop = end < 0 ? code.length : end;
      masked += ' '.repeat(stop - at);
      at = stop;
    } else if (code.startsWith('/*', at)) {
      let depth = 0;
      do {
        if (code.startsWith('/*', at)) depth++;
        else if (code.startsWith('*/', at)) depth--;
        const width = code.startsWith('/*', at) || code.startsWith('*/', at) ? 2 : 1;
        masked += code.slice(at, at + width).replaceAll(/[^\n]/g, ' ');
        at += width;
      } while (depth > 0 && at < code.length);
    } else masked += code[at++];
  }
  return masked;
}
