// A pairwise cover: cases such that every two values of every two parameters meet in at least one of them.
// Greedy and deterministic; not minimal, but within a few cases of it.

export type Parameters = Readonly<Record<string, readonly unknown[]>>;
export type Case<P extends Parameters> = { readonly [K in keyof P]: P[K][number] };

export function pairwise<const P extends Parameters>(parameters: P): Case<P>[] {
  const names = Object.keys(parameters);
  const uncovered = new Set<string>();
  const pair = (i: number, x: number, j: number, y: number): string => (i < j ? `${i}.${x} ${j}.${y}` : `${j}.${y} ${i}.${x}`);
  names.forEach((_, i) =>
    names.slice(0, i).forEach((_, j) => {
      for (let x = 0; x < parameters[names[i]].length; x++) for (let y = 0; y < parameters[names[j]].length; y++) uncovered.add(pair(i, x, j, y));
    }),
  );
  const cases: number[][] = [];
  while (uncovered.size > 0) {
    // Start from a pair that is still open, then choose for each parameter the value that closes most pairs.
    const [first, second] = [...uncovered][0].split(' ').map((one) => one.split('.').map(Number));
    const chosen: (number | undefined)[] = names.map(() => undefined);
    chosen[first[0]] = first[1];
    chosen[second[0]] = second[1];
    names.forEach((name, i) => {
      if (chosen[i] !== undefined) return;
      // Ties go round, so that values which are already covered still vary.
      const values = parameters[name].map((_, at) => (at + cases.length) % parameters[name].length);
      const gain = (x: number): number => chosen.filter((y, j) => y !== undefined && j !== i && uncovered.has(pair(i, x, j, y))).length;
      chosen[i] = values.reduce((best, x) => (gain(x) > gain(best) ? x : best), values[0]);
    });
    const done = chosen as number[];
    done.forEach((x, i) => done.slice(0, i).forEach((y, j) => uncovered.delete(pair(i, x, j, y))));
    cases.push(done);
  }
  return cases.map((values) => Object.fromEntries(names.map((name, i) => [name, parameters[name][values[i]]])) as Case<P>);
}
