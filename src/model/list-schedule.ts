// List scheduling: tasks of known length, each on one resource, each after others. A resource does one task at a time,
// to its end, and takes them as they become ready; of those that become ready at one time, the first in the list. It never
// idles while one is ready. So for any tasks
//   max(busy time of a resource, length of a chain of needs) ≤ makespan ≤ sum of all durations,
// and all durations times c make all times times c. But one duration that grows may make the whole *shorter*, where it
// changes who is taken first (Graham's anomaly); while every resource keeps its order, nothing gets earlier.
// `criticalTasks` names those that the makespan is made of.
import { bug } from '../errors.ts';
import { Agenda } from './agenda.ts';

export interface Task {
  /** What does it, by name: `compute 3`, `link 3→2`. */
  readonly resource: string;
  /** Places in the list of the tasks that must have ended. */
  readonly needs: readonly number[];
}

export interface Schedule {
  /** When each task starts, and when it has ended: picoseconds. */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  /** What its resource did just before each task; −1 of the first. */
  readonly before: Int32Array;
  /** When the last task ends; 0 of none. */
  readonly makespan: number;
}

/**
 * @param durations of each task, whole picoseconds; 0 is a task all the same
 * @throws BUG on a duration that is no whole number ≥ 0, a need that is not in the list, and tasks that wait for each other
 */
export function listSchedule(tasks: readonly Task[], durations: ArrayLike<number>): Schedule {
  const { open, followers, first } = checked(tasks, durations);
  const resources = new Map<string, number>();
  const resourceOf = Int32Array.from(tasks, ({ resource }) => resources.get(resource) ?? (resources.set(resource, resources.size), resources.size - 1));
  const freeAt = new Float64Array(resources.size);
  const latest = new Int32Array(resources.size).fill(-1);
  const before = new Int32Array(tasks.length);
  const readyAt = new Float64Array(tasks.length);
  const starts = new Float64Array(tasks.length);
  const ends = new Float64Array(tasks.length);
  const agenda = new Agenda();
  for (let at = 0; at < tasks.length; at++) if (open[at] === 0) agenda.add(0, at);
  let placed = 0;
  let makespan = 0;
  // What a task lets become ready is never ready before the task was: they come out in the order in which their resources take them.
  for (let due = agenda.next(); due !== undefined; due = agenda.next(), placed++) {
    starts[due.id] = Math.max(due.time, freeAt[resourceOf[due.id]]);
    const end = starts[due.id] + durations[due.id];
    ends[due.id] = end;
    freeAt[resourceOf[due.id]] = end;
    before[due.id] = latest[resourceOf[due.id]];
    latest[resourceOf[due.id]] = due.id;
    makespan = Math.max(makespan, end);
    for (let at = first[due.id]; at < first[due.id + 1]; at++) {
      const follower = followers[at];
      readyAt[follower] = Math.max(readyAt[follower], end);
      if (--open[follower] === 0) agenda.add(readyAt[follower], follower);
    }
  }
  if (placed < tasks.length) {
    const stuck = tasks.flatMap(({ resource, needs }, at) => (open[at] > 0 ? [`task ${at} on ${resource} needs ${needs.filter((need) => open[need] > 0).join(', ')}`] : []));
    throw bug('tasks wait for each other', { actual: `${stuck.length} of ${tasks.length}`, lines: stuck.slice(0, 8) });
  }
  return { starts, ends, before, makespan };
}

/**
 * The tasks that the makespan is made of, in the order of time: each starts when the one before it ends, the first at 0 and the last
 * one ends with the schedule. Each waited for a need, or where none of them ended then, for its resource.
 */
export function criticalTasks(tasks: readonly Task[], { starts, ends, before, makespan }: Schedule): number[] {
  const path: number[] = [];
  for (let at = ends.indexOf(makespan); at >= 0; ) {
    path.push(at);
    if (starts[at] === 0) break;
    at = tasks[at].needs.find((need) => ends[need] === starts[at]) ?? before[at];
  }
  return path.toReversed();
}

/** How many needs of each task are open, and who has task t among its needs, as often as it is named there: `followers[first[t]..first[t + 1]]`. */
function checked(tasks: readonly Task[], durations: ArrayLike<number>): { open: Int32Array; followers: Int32Array; first: Int32Array } {
  const open = new Int32Array(tasks.length);
  const first = new Int32Array(tasks.length + 1);
  tasks.forEach(({ needs }, at) => {
    if (!(Number.isSafeInteger(durations[at]) && durations[at] >= 0)) throw bug(`task ${at} takes no whole number of picoseconds`, { actual: durations[at] });
    open[at] = needs.length;
    for (const need of needs) {
      if (tasks[need] === undefined) throw bug(`task ${at} needs one that there is not`, { actual: need, limit: `0..${tasks.length - 1}` });
      first[need + 1]++;
    }
  });
  for (let at = 0; at < tasks.length; at++) first[at + 1] += first[at];
  const followers = new Int32Array(first[tasks.length]);
  const filled = first.slice();
  tasks.forEach(({ needs }, at) => {
    for (const need of needs) followers[filled[need]++] = at;
  });
  return { open, followers, first };
}
