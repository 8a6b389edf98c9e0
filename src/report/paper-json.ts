// `tilewire paper --json`: the evaluation's record with its keys as they are promised. What was not made is left out, never faked:
// `omitted` names it.
import type { Ablation, Search } from '../model/search.ts';
import type { PaperReport } from '../model/paper-report.ts';

export interface PaperJson extends Pick<PaperReport, 'parameters' | 'cases' | 'summary' | 'endToEnd' | 'cuSharing' | 'traffic' | 'studies'> {
  readonly search?: Pick<Search, 'tried' | 'passing' | 'spread'>;
  readonly ablations?: readonly Ablation[];
}

export function paperJson({ parameters, cases, summary, search, ablations, endToEnd, cuSharing, traffic, studies }: PaperReport): PaperJson {
  return {
    parameters, cases, summary,
    ...(search === null ? {} : { search: { tried: search.tried, passing: search.passing, spread: search.spread } }),
    ...(ablations.length === 0 ? {} : { ablations }),
    endToEnd, cuSharing, traffic, studies,
  };
}

/** Keys that this record would have, had they been asked for. */
export const omitted = (json: PaperJson): string[] => (['search', 'ablations'] as const).filter((key) => json[key] === undefined);
