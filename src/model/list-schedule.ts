// List scheduling: tasks of known length, each on one resource, each after others. A resource does one task at a time,
// to its end, and takes them as they become ready; of those that become ready at one time, the first in the list. It never
// idles while one is ready. So for any tasks
//   max(busy time of a resource, length of a chain of needs) ≤ makespan ≤ sum of all durations,
// and all durations times c make all times times c. But one duration that grows may make the whole *shorter*, where it
// changes who is taken first (Graham's anomaly); while every resource keeps its order, nothing gets earlier.
import { bug } from '../errors.ts';
import { Agenda } from './agenda.ts';

export interface Task {
  /** What does it, by name: `compute 3`, `link 3→2`. */
  readonly resource: string;
  /** Whole picoseconds; 0 is a task all the same. */
  readonly duration: number;
  /** Places in the list of the tasks that must have ended. */
  readonly needs: readonly number[];
}

export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Schedule {
  /** In the order of the tasks, picoseconds from the start. */
  readonly spans: readonly Span[];
  /** When the last task ends; 0 of none. */
  readonly makespan: number;
}

/** @throws BUG on a duration that is no whole number ≥ 0, a need that is not in the list, and tasks that wait for each other */
export function listSchedule(tasks: readonly Task[]): Schedule {
  const open = new Int32Array(tasks.length);
  const followers: number[][] = tasks.map(() => []);
  tasks.forEach(({ duration, needs }, at) => {
    if (!(Number.isSafeInteger(duration) && duration >= 0)) throw bug(`task ${at} takes no whole number of picoseconds`, { actual: duration });
    open[at] = needs.length;
    for (const need of needs) {
      if (followers[need] === undefined) throw bug(`task ${at} needs one that there is not`, { actual: need, limit: `0..${tasks.length - 1}` });
      followers[need].push(at);
    }
  });
  const readyAt = new Float64Array(tasks.length);
  const freeAt = new Map<string, number>();
  const spans: Span[] = Array.from({ length: tasks.length });
  const agenda = new Agenda();
  for (let at = 0; at < tasks.length; at++) if (open[at] === 0) agenda.add(0, at);
  let placed = 0;
  let makespan = 0;
  // What a task lets become ready is never ready before the task was: they come out in the order in which their resources take them.
  for (let due = agenda.next(); due !== undefined; due = agenda.next(), placed++) {
    const { resource, duration } = tasks[due.id];
    const start = Math.max(due.time, freeAt.get(resource) ?? 0);
    const end = start + duration;
    spans[due.id] = { start, end };
    freeAt.set(resource, end);
    makespan = Math.max(makespan, end);
    for (const follower of followers[due.id]) {
      readyAt[follower] = Math.max(readyAt[follower], end);
      if (--open[follower] === 0) agenda.add(readyAt[follower], follower);
    }
  }
  if (placed < tasks.length) {
    const stuck = tasks.flatMap(({ resource, needs }, at) => (open[at] > 0 ? [`task ${at} on ${resource} needs ${needs.filter((need) => open[need] > 0).join(', ')}`] : []));
    throw bug('tasks wait for each other', { actual: `${stuck.length} of ${tasks.length}`, lines: stuck.slice(0, 8) });
  }
  return { spans, makespan };
}
