// What every page that tilewire writes has in common: one HTML file that needs nothing else, of which a script inlined in it draws the
// charts where the file is opened. No network: its own policy forbids all of it.

export interface HtmlPage {
  readonly title: string;
  readonly body: string;
  /** JSON that the script finds by its id. */
  readonly data: { readonly id: string; readonly value: unknown };
  /** A bundle of src/page. */
  readonly script: string;
}

export function htmlPage({ title, body, data, script }: HtmlPage): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body}
<script type="application/json" id="${data.id}">${embedded(data.value)}</script>
<script>${script.replaceAll(/<\/script/gi, '<\\/script')}</script>
</body>
</html>
`;
}

/** @param words places of the columns that are text, to the left */
export function htmlTable(heads: readonly string[], rows: readonly (readonly string[])[], words: readonly number[]): string {
  const line = (cells: readonly string[], tag: 'td' | 'th'): string => `<tr>${cells.map((cell, at) => `<${tag}${words.includes(at) ? ' class="words"' : ''}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return `<div class="wide"><table><thead>${line(heads, 'th')}</thead><tbody>
${rows.map((row) => line(row, 'td')).join('\n')}
</tbody></table></div>`;
}

const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2733; --pale: #566472; --line: #d5dae0; --hatch: #9aa5b1; }
@media (prefers-color-scheme: dark) { :root { --ground: #14191f; --ink: #e3e8ee; --pale: #9aa7b5; --line: #323c47; --hatch: #5b6875; } }
body { margin: 0 auto; padding: 1rem; max-width: 1200px; background: var(--ground); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; margin: 1rem 0 0.2rem; } h4 { font-size: 0.9rem; margin: 0; font-weight: 600; }
.told { display: block; white-space: pre-line; min-height: 2.9em; font-size: 0.85rem; } p, summary, .told { color: var(--pale); } .key { font-size: 0.85rem; }
.panels { display: flex; flex-wrap: wrap; gap: 1rem 2rem; } .panel { flex: 1 1 20rem; min-width: 0; max-width: 40rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; } .words { text-align: left; }
td.words:last-child { white-space: normal; min-width: 12rem; }
svg[class*=ramp] { margin-bottom: 0.4rem; } svg { max-width: 100%; overflow: visible; --plot-background: var(--ground); } figure { margin: 0; }
`;

/** As text of an element or of a quoted attribute. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** JSON that no script element can be ended by. */
const embedded = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
