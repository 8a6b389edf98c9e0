// The bindings file that the help pages show; a test reads it as one.
export const BINDINGS_EXAMPLE = `{
  "entry": "tiled",
  "a": "lhs", "b": "rhs", "output": "result",
  "layout": "nt",
  "overrides": { "TILE": 16 },
  "uniforms": { "args.rows": "m", "args.cols": "n", "args.depth": "k", "args.steps": "ceilDiv(k, TILE)" },
  "grid": ["ceilDiv(n, TILE)", "ceilDiv(m, TILE)", 1],
  "requires": "n % 4 == 0"
}`;
