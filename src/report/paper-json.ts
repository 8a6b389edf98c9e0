// `tilewire paper --json`: the evaluation's record with its keys as they are promised, always all of them. What was not asked for is null,
// never faked, and `notes` says so.
import type { Ablation, Search } from '../model/search.ts';
import type { PaperReport } from '../model/paper-report.ts';

export interface PaperJson extends Omit<PaperReport, 'search' | 'ablations'> {
  /** Null without --sensitivity. */
  readonly search: Pick<Search, 'tried' | 'passing' | 'spread'> | null;
  /** Likewise. */
  readonly ablations: readonly Ablation[] | null;
}

export function paperJson({ parameters, cases, summary, notes, search, ablations, endToEnd, assumptions, cuSharing, traffic, studies }: PaperReport): PaperJson {
  const json = {
    search: search === null ? null : { tried: search.tried, passing: search.passing, spread: search.spread },
    ablations: ablations.length === 0 ? null : ablations,
  };
  const left = omitted(json);
  return { parameters, cases, summary, ...json, endToEnd, assumptions, cuSharing, traffic, studies, notes: left.length === 0 ? notes : [...notes, `without ${left.join(' and ')}: --sensitivity makes them`] };
}

/** Keys that are null: they were not asked for. */
export const omitted = (json: Pick<PaperJson, 'search' | 'ablations'>): string[] => (['search', 'ablations'] as const).filter((key) => json[key] === null);
