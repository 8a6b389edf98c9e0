// Schedules worked out by hand, and what holds for every one.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import { criticalTasks, listSchedule } from '../../src/model/list-schedule.ts';

interface Task {
  readonly resource: string;
  readonly duration: number;
  readonly needs: readonly number[];
}

const scheduled = (tasks: readonly Task[]): { spans: { start: number; end: number }[]; makespan: number } => {
  const { starts, ends, makespan } = listSchedule(tasks, tasks.map(({ duration }) => duration));
  return { spans: tasks.map((_, at) => ({ start: starts[at], end: ends[at] })), makespan };
};
const task = (resource: string, duration: number, ...needs: number[]): Task => ({ resource, duration, needs });
/** `start-end` of each task, and the makespan. */
const drawn = (...tasks: Task[]): [string, number] => {
  const { spans, makespan } = scheduled(tasks);
  return [spans.map(({ start, end }) => `${start}-${end}`).join(' '), makespan];
};

describe('by hand', () => {
  test('nothing', () => expect(scheduled([])).toEqual({ spans: [], makespan: 0 }));

  test('a chain over three resources: one after the other, with none to share', () => {
    expect(drawn(task('a', 3), task('b', 4, 0), task('c', 5, 1))).toEqual(['0-3 3-7 7-12', 12]);
  });

  test('a fork and a join: the branches at once, the join after the longer', () => {
    expect(drawn(task('a', 2), task('b', 3, 0), task('c', 7, 0), task('a', 1, 1, 2))).toEqual(['0-2 2-5 2-9 9-10', 10]);
  });

  test('a fork on one resource: the branches one after the other, as listed', () => {
    expect(drawn(task('a', 2), task('b', 3, 0), task('b', 7, 0), task('a', 1, 1, 2))).toEqual(['0-2 2-5 5-12 12-13', 13]);
  });

  test('two resources, a pipeline of three: the second waits for the first, and then for itself', () => {
    // GEMM stages of 4, transfers of 6: 4 + 3 · 6.
    expect(drawn(task('g', 4), task('g', 4, 0), task('g', 4, 1), task('l', 6, 0), task('l', 6, 1), task('l', 6, 2))).toEqual(['0-4 4-8 8-12 4-10 10-16 16-22', 22]);
  });

  test('whoever is ready first is taken first, wherever it is in the list; a task is never cut short', () => {
    // On b the third is ready at 1, the first at 5, when the third runs until 9.
    expect(drawn(task('b', 2, 1), task('a', 5), task('b', 8, 3), task('c', 1))).toEqual(['9-11 0-5 1-9 0-1', 11]);
  });

  test('needs may lie ahead in the list, and be named twice', () => {
    expect(drawn(task('a', 2, 1, 1), task('b', 3))).toEqual(['3-5 0-3', 5]);
  });

  test('tasks of no duration: they hold nobody up, and wait like everybody', () => {
    expect(drawn(task('a', 0), task('a', 5), task('b', 0, 1), task('b', 2, 2), task('a', 0, 1))).toEqual(['0-0 0-5 5-5 5-7 5-5', 7]);
    expect(drawn(task('a', 0), task('a', 0, 0))).toEqual(['0-0 0-0', 0]);
  });

  test("Graham's anomaly: a task that takes longer can make the whole shorter", () => {
    const tasks = (first: number): Task[] => [task('a', first), task('r', 8, 0), task('b', 3), task('r', 1, 2), task('c', 9, 3)];
    // The long one on r is ready at 2, a moment before the short one that c waits for; at 3 and listed later it is behind it.
    expect(drawn(...tasks(2))).toEqual(['0-2 2-10 0-3 10-11 11-20', 20]);
    expect(drawn(...tasks(4))).toEqual(['0-4 4-12 0-3 3-4 4-13', 13]);
  });
});

describe('the tasks that the makespan is made of', () => {
  const pathOf = (...tasks: Task[]): number[] => criticalTasks(tasks, listSchedule(tasks, tasks.map(({ duration }) => duration)));

  test('of nothing: none', () => expect(pathOf()).toEqual([]));
  test('of a fork and a join: the longer branch', () => expect(pathOf(task('a', 2), task('b', 3, 0), task('c', 7, 0), task('a', 1, 1, 2))).toEqual([0, 2, 3]));
  // 0-4 4-8 8-12 4-10 10-16 16-22: the second and third transfer wait for the link.
  test('of a pipeline with slow links: one stage, then the link', () => expect(pathOf(task('g', 4), task('g', 4, 0), task('g', 4, 1), task('l', 6, 0), task('l', 6, 1), task('l', 6, 2))).toEqual([0, 3, 4, 5]));
  // 0-4 4-8 8-12 4-5 8-9 12-13.
  test('of a pipeline with fast links: the stages, then one transfer', () => expect(pathOf(task('g', 4), task('g', 4, 0), task('g', 4, 1), task('l', 1, 0), task('l', 1, 1), task('l', 1, 2))).toEqual([0, 1, 2, 5]));
  // 1-9 on b holds up what was ready at 5.
  test('through whoever held the resource', () => expect(pathOf(task('b', 2, 1), task('a', 5), task('b', 8, 3), task('c', 1))).toEqual([3, 2, 0]));
  test('a need goes before the resource where both ended then', () => expect(pathOf(task('a', 3), task('b', 3), task('b', 1, 0))).toEqual([0, 2]));
});

const refusal = (...tasks: Task[]): TilewireError => {
  try {
    scheduled(tasks);
  } catch (error) {
    if (error instanceof TilewireError) return error;
  }
  throw new Error('not refused');
};

test('tasks that wait for each other are refused by name; what is behind them too, what is before them is not', () => {
  const error = refusal(task('a', 1), task('b', 1, 0, 3), task('c', 1, 1), task('d', 1, 2), task('e', 1, 3));
  expect(error.code).toBe('BUG');
  expect(error.fields.actual).toBe('4 of 5');
  expect(error.fields.lines).toEqual(['task 1 on b needs 3', 'task 2 on c needs 1', 'task 3 on d needs 2', 'task 4 on e needs 3']);
  expect(refusal(task('a', 1, 0)).fields.lines).toEqual(['task 0 on a needs 0']);
});

test('durations that are no whole picoseconds, and needs that are not there, are refused', () => {
  for (const duration of [-1, 0.5, NaN, Infinity, 2 ** 53]) expect(refusal(task('a', duration)).fields.actual).toBe(duration);
  for (const need of [-1, 1, 0.5]) expect(refusal(task('a', 1, need)).fields.actual).toBe(need);
});

/** Tasks in an order of no meaning, their needs without a circle. */
const graphs: fc.Arbitrary<Task[]> = fc
  .array(fc.record({ resource: fc.constantFrom('a', 'b', 'c'), duration: fc.oneof(fc.constant(0), fc.nat({ max: 9 })), needs: fc.array(fc.nat({ max: 1000 }), { maxLength: 3 }), key: fc.nat() }), { minLength: 1, maxLength: 24 })
  .map((drawn) => {
    const place = drawn.map((_, at) => at).sort((one, other) => drawn[one].key - drawn[other].key || one - other);
    const tasks: Task[] = Array.from({ length: drawn.length });
    drawn.forEach(({ resource, duration, needs }, at) => {
      tasks[place[at]] = { resource, duration, needs: at === 0 ? [] : needs.map((need) => place[need % at]) };
    });
    return tasks;
  });

const busyOf = (tasks: readonly Task[]): Map<string, number> => tasks.reduce((busy, { resource, duration }) => busy.set(resource, (busy.get(resource) ?? 0) + duration), new Map<string, number>());
/** The longest chain of needs that ends with each task. */
const chains = (tasks: readonly Task[]): number[] => {
  const known = new Map<number, number>();
  const chain = (at: number): number => {
    const found = known.get(at) ?? tasks[at].duration + Math.max(0, ...tasks[at].needs.map(chain));
    known.set(at, found);
    return found;
  };
  return tasks.map((_, at) => chain(at));
};
/** Tasks of each resource in the order in which it did them; those of one moment by place. */
const orderOf = (tasks: readonly Task[]): string => {
  const { spans } = scheduled(tasks);
  return ['a', 'b', 'c'].map((name) => tasks.flatMap(({ resource }, at) => (resource === name ? [at] : [])).sort((one, other) => spans[one].start - spans[other].start || spans[one].end - spans[other].end || one - other).join()).join(' | ');
};

describe('of every graph', () => {
  test('busiest resource, longest chain ≤ makespan ≤ sum of durations', () => {
    fc.assert(
      fc.property(graphs, (tasks) => {
        const { makespan, spans } = scheduled(tasks);
        expect(makespan).toBeGreaterThanOrEqual(Math.max(...busyOf(tasks).values()));
        expect(makespan).toBeGreaterThanOrEqual(Math.max(...chains(tasks)));
        expect(makespan).toBeLessThanOrEqual(tasks.reduce((sum, { duration }) => sum + duration, 0));
        expect(makespan).toBe(Math.max(...spans.map(({ end }) => end)));
      }),
    );
  });

  test('the critical tasks fill the makespan without a gap', () => {
    fc.assert(
      fc.property(graphs, (tasks) => {
        const schedule = listSchedule(tasks, tasks.map(({ duration }) => duration));
        let end = 0;
        for (const at of criticalTasks(tasks, schedule)) {
          expect(schedule.starts[at]).toBe(end);
          end = schedule.ends[at];
        }
        expect(end).toBe(schedule.makespan);
      }),
    );
  });

  test('a task takes its duration, after all that it needs, alone on its resource', () => {
    fc.assert(
      fc.property(graphs, (tasks) => {
        const { spans } = scheduled(tasks);
        tasks.forEach(({ duration, needs }, at) => {
          expect(spans[at].end - spans[at].start).toBe(duration);
          for (const need of needs) expect(spans[at].start).toBeGreaterThanOrEqual(spans[need].end);
        });
        for (const [at, one] of spans.entries())
          for (const [other, two] of spans.entries()) if (at < other && tasks[at].resource === tasks[other].resource) expect(Math.min(one.end, two.end) - Math.max(one.start, two.start)).toBeLessThanOrEqual(0);
      }),
    );
  });

  test('nobody idles while it could work, and who was ready earlier goes first', () => {
    fc.assert(
      fc.property(graphs, (tasks) => {
        const { spans } = scheduled(tasks);
        const ready = tasks.map(({ needs }) => Math.max(0, ...needs.map((need) => spans[need].end)));
        tasks.forEach(({ resource }, at) => {
          // From when it is ready until it starts, its resource is at work without a gap.
          const worked = tasks.reduce((sum, other, index) => sum + (other.resource === resource && index !== at ? Math.max(0, Math.min(spans[at].start, spans[index].end) - Math.max(ready[at], spans[index].start)) : 0), 0);
          expect(worked).toBe(spans[at].start - ready[at]);
          tasks.forEach((other, index) => {
            if (other.resource === resource && ready[index] < ready[at]) expect(spans[index].start).toBeLessThanOrEqual(spans[at].start);
          });
        });
      }),
    );
  });

  test('twice the same; all durations times three, all times times three', () => {
    fc.assert(
      fc.property(graphs, (tasks) => {
        const once = scheduled(tasks);
        expect(scheduled(tasks.map((each) => ({ ...each })))).toEqual(once);
        const longer = scheduled(tasks.map((each) => ({ ...each, duration: 3 * each.duration })));
        expect(longer).toEqual({ makespan: 3 * once.makespan, spans: once.spans.map(({ start, end }) => ({ start: 3 * start, end: 3 * end })) });
      }),
    );
  });

  test('a duration that grows makes nothing earlier, while every resource keeps its order', () => {
    let kept = 0;
    fc.assert(
      fc.property(graphs, fc.nat(), fc.integer({ min: 1, max: 5 }), (tasks, which, more) => {
        const longer = tasks.map((each, at) => (at === which % tasks.length ? { ...each, duration: each.duration + more } : each));
        if (orderOf(tasks) !== orderOf(longer)) return;
        kept++;
        const [before, after] = [scheduled(tasks), scheduled(longer)];
        before.spans.forEach(({ start }, at) => expect(after.spans[at].start).toBeGreaterThanOrEqual(start));
        expect(after.makespan).toBeGreaterThanOrEqual(before.makespan);
      }),
    );
    expect(kept).toBeGreaterThan(30);
  });
});
