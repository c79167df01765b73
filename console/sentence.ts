import { standingOf, worstFirst } from './standing.ts';
import type { Sentence, ShownRefresher } from './view.ts';

/** An upstream that keeps failing. Times are epoch milliseconds. */
export interface Outage {
  readonly upstream: string;
  readonly since: number;
  readonly retryAt: number;
}

/** What the sentence is made of. Times are epoch milliseconds. */
interface Known {
  readonly rows: readonly ShownRefresher[];
  readonly now: number;
  readonly outage?: Outage | undefined;
  readonly nextRunAt?: number | undefined;
  /** Troubles that are no row's own, a sentence each. */
  readonly troubles?: readonly string[];
}

/** The upstream that an error is about. */
export const upstreamOf = (error: string): string =>
  /^Runpod/.test(error)
    ? 'Runpod'
    : /^Ecr/.test(error)
      ? 'ECR'
      : /^Kms/.test(error)
        ? 'KMS'
        : /^SecretStore/.test(error)
          ? 'The store of API keys'
          : 'AWS';

/** A sentence of sentences is read by nobody. */
const maxTroubles = 3;

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;

/** What there is to say of one row. */
const piecesOfRow = (row: ShownRefresher, now: number): Array<string | number> => {
  const { title, endsAt, error, proofs = {} } = row;
  const why = error === undefined ? '' : ` Its last run stored no token (${error.name}).`;
  const { failed = 0, degraded = 0 } = proofs;
  const pulls =
    failed > 0
      ? ` ${count(failed, 'endpoint')} cannot pull.`
      : degraded > 0
        ? ` ${count(degraded, 'endpoint')} degraded.`
        : '';
  if (endsAt === undefined) return [`${title}: no run on record stored a token.${why}${pulls}`];
  if (endsAt <= now) return [`${title}: a worker that starts cannot pull since `, endsAt, `.${why}${pulls}`];
  return [`${title}: pulls work until `, endsAt, `.${why}${pulls}`];
};

/** Says how all of it stands, as somebody who is woken needs it: what fails, until when pulls work, what comes next. */
export const composeSentence = ({ rows, now, outage, nextRunAt, troubles = [] }: Known): Sentence => {
  const sorted = worstFirst(rows, now);
  const unwell = sorted.filter((row) => standingOf(row, now) !== 'well');
  const failing = unwell.filter((row) => ['failed', 'expired'].includes(standingOf(row, now)));
  const [worst] = unwell.length > 0 ? unwell : outage === undefined ? [] : sorted;
  const next: Array<string | number> =
    outage !== undefined
      ? [' Next try ', outage.retryAt, '.']
      : nextRunAt !== undefined
        ? [' Next run ', nextRunAt, '.']
        : [];
  const outagePieces: Array<string | number> =
    outage === undefined ? [] : [`${outage.upstream} has not answered since `, outage.since, '. '];
  const others = unwell.length > 1 ? ` And ${count(unwell.length - 1, 'other target')}.` : '';
  const told = troubles.slice(0, maxTroubles).map((trouble) => ` ${trouble}`);
  const also = `${told.join('')}${troubles.length > maxTroubles ? ` And ${troubles.length - maxTroubles} more.` : ''}`;
  if (worst === undefined && troubles.length === 0) {
    const [first] = sorted;
    if (first?.endsAt === undefined) return { severity: 'warning', pieces: ['No token is on record yet.', ...next] };
    const what =
      sorted.length === 1 ? `${first.title}: pulls work until ` : `All ${sorted.length} targets: pulls work until `;
    return { severity: 'well', pieces: [`All is well. ${what}`, first.endsAt, '.', ...next] };
  }
  const pieces = [...outagePieces, ...(worst === undefined ? [] : piecesOfRow(worst, now)), others + also, ...next];
  return { severity: failing.length > 0 ? 'critical' : 'warning', pieces: pieces.filter((piece) => piece !== '') };
};
