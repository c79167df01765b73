import { span } from '../../functions/lib/report/alerts.ts';
import { comfortableMs } from '../../functions/lib/report/comfortable.ts';
import type { CanaryPodOutcome, EndpointOutcome } from '../../functions/lib/report/outcome.ts';
import { colourOfProof } from '../../stack/proof-colour.ts';
import type { CommandRunStatus, RunStatus, Status, TargetStatus } from '../../stack/status.ts';
import { plain, type Terminal, truncate, wrap } from '../terminal.ts';

const hourMs = 3_600_000;
const lifeMs = 12 * hourMs;

const time = (text: string): string => `${text.slice(11, 16)} UTC`;

/** A bar of a token's 12 hours, with what is left of them filled in. */
const bar = (leftMs: number, width: number): string => {
  const filled = Math.max(0, Math.min(width, Math.round((leftMs / lifeMs) * width)));
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`;
};

/** A name of Runpod's takes no more columns than this beside its id. */
const maxNameColumns = 24;

/** An endpoint's id, and its name where it has one. */
const endpointLabel = ({ endpoint, name = '' }: EndpointOutcome): string =>
  plain(name === '' ? endpoint : `${endpoint} ${truncate(plain(name), maxNameColumns)}`);

/** Pads the first words of each line to the same width. */
type Label = (text: string) => string;

const labelFor = (texts: readonly string[], gap = 1): Label => {
  const width = Math.max(10, ...texts.map((text) => text.length));
  return (text) => plain(text).padEnd(width + gap);
};

const showTarget = (
  { name, expiresAt, lookedAt, error, proofs, endpoints, canaryPod, rollouts = [], warnings = [] }: TargetStatus,
  now: number,
  { label, endpointColumn }: { readonly label: Label; readonly endpointColumn: Label },
  { paint, columns }: Terminal,
): string[] => {
  const leftMs = expiresAt === undefined ? 0 : Date.parse(expiresAt) - now;
  const colour = leftMs <= 0 ? 'red' : leftMs < comfortableMs ? 'yellow' : 'green';
  const words =
    expiresAt === undefined
      ? 'no token on record'
      : leftMs <= 0
        ? `expired ${span(-leftMs)} ago`
        : `${span(leftMs)} left, until ${time(expiresAt)}`;
  const width = columns() >= 100 ? 36 : 24;
  const age = span(Math.max(0, now - Date.parse(lookedAt ?? '') || 0));
  const labelOf = (id: string): string => {
    const found = endpoints.find(({ endpoint }) => endpoint === id);
    return endpointColumn(found === undefined ? id : endpointLabel(found));
  };
  const listed = endpoints.map(({ endpoint, proof, reason, evidence }) => {
    const text = plain(evidence ?? reason);
    return `  ${labelOf(endpoint)}${paint(colourOfProof(proof), proof.padEnd(9))} ${age} ago  ${paint('dim', text)}`;
  });
  // A report holds no more endpoints than fit, and the number of all of them by proof.
  const unlisted = Object.entries(proofs)
    .map(([proof, count]) => ({ proof, count: count - endpoints.filter((each) => each.proof === proof).length }))
    .filter(({ count }) => count > 0)
    .map(({ proof, count }) => paint(colourOfProof(proof), `${count} ${proof}`));
  const showPod = ({ proof, reason, evidence = '', at = lookedAt ?? '' }: CanaryPodOutcome): string => {
    const podAge = span(Math.max(0, now - Date.parse(at) || 0));
    return `  ${label('canary pod')}${paint(colourOfProof(proof), `${proof}: ${reason}`)} ${podAge} ago  ${paint('dim', plain(evidence))}`;
  };
  return [
    `${paint('bold', label(name))}  ${paint(colour, bar(leftMs, width))}  ${paint(colour, words)}`,
    ...(error === undefined ? [] : [`  ${paint('red', `✗ ${error.name}`)} ${plain(error.message)}`]),
    ...listed,
    ...(unlisted.length > 0 ? [`  ${endpointColumn('')}and more: ${unlisted.join(', ')}`] : []),
    ...(canaryPod === undefined ? [] : [showPod(canaryPod)]),
    ...rollouts.map(
      ({ endpoint, state, why }) => `  ${labelOf(endpoint)}rollout ${state}: ${paint('dim', plain(why))}`,
    ),
    ...warnings.map((each) => `  ${paint('yellow', '!')} ${plain(each)}`),
  ];
};

const showRun = ({ trigger, status, startedAt, endedAt = startedAt, error }: RunStatus, now: number): string => {
  const ended = status === 'SUCCEEDED' ? 'succeeded' : status.toLowerCase().replaceAll('_', ' ');
  const why = error === undefined ? '' : `: ${error.name}`;
  return `${span(Math.max(0, now - Date.parse(endedAt)))} ago${trigger === undefined ? '' : `, by ${trigger}`}, ${ended}${why}`;
};

/** What was stored by `npm run refresh`, where a note of it is on record. */
const showCommandRun = ({ endedAt, stored, failed }: CommandRunStatus, now: number): string => {
  const parts = [
    ...(stored.length === 0 ? [] : [`stored for ${stored.join(', ')}`]),
    ...(failed.length === 0 ? [] : [`not for ${failed.join(', ')}`]),
  ];
  return `${span(Math.max(0, now - Date.parse(endedAt)))} ago, by npm run refresh: ${parts.join(', ')}`;
};

/** Says of what it is known that all is well, and since when. */
const wellText = (targets: readonly TargetStatus[]): string => {
  const since = targets
    .flatMap(({ heldSince }) => heldSince ?? [])
    .toSorted()
    .at(-1);
  const what = targets.length === 1 ? 'the token on record is good' : `the ${targets.length} tokens on record are good`;
  const gapless = since === undefined ? '' : `, without a gap since ${since.slice(0, 10)} ${time(since)}`;
  return `✓ All is well: ${what}${gapless}.`;
};

/**
 * Writes a status as a person reads it, no line wider than the terminal.
 *
 * @param isFull whether sentences that are longer than a line go on below, rather than being cut
 */
export const showStatus = (status: Status, now: number, terminal: Terminal, isFull = false): string[] => {
  const { paint, columns } = terminal;
  const { stack, targets, lastRun, lastCommandRun, running, schedule, openAlarms, troubles } = status;
  const endpointColumn = labelFor(
    targets.flatMap(({ endpoints }) => endpoints.map(endpointLabel)),
    2,
  );
  const label = labelFor(targets.map(({ name }) => name));
  const busy = stack.isBusy ? paint('yellow', ` (being deployed: ${stack.status})`) : '';
  const next =
    schedule?.nextRunAt === undefined
      ? (schedule?.expression ?? 'none')
      : Date.parse(schedule.nextRunAt) > now
        ? `about ${time(schedule.nextRunAt)}, in ${span(Date.parse(schedule.nextRunAt) - now)}`
        : `due since ${time(schedule.nextRunAt)}`;
  const lines = [
    `${paint('bold', stack.name)} in ${stack.region}, version ${stack.version ?? 'unknown'}${busy}`,
    '',
    ...targets.flatMap((target) => showTarget(target, now, { label, endpointColumn }, terminal)),
    ...(targets.length === 0 ? ['No run on record has a report yet.'] : []),
    '',
    `${label('last run')}  ${lastRun === undefined ? 'none yet' : showRun(lastRun, now)}`,
    ...(lastCommandRun === undefined ? [] : [`${label('from here')}  ${plain(showCommandRun(lastCommandRun, now))}`]),
    ...(running.length === 0 ? [] : [`${label('running')}  ${running.map(({ name }) => name).join(', ')}`]),
    `${label('next run')}  ${next}`,
    `${label('alarms')}  ${openAlarms.length === 0 ? 'none open' : paint('red', openAlarms.map(({ name }) => name).join(', '))}`,
  ].map((line) => (isFull ? wrap(line, columns(), '    ') : truncate(line, columns())));
  if (troubles.length === 0) return [...lines, '', paint('green', wrap(wellText(targets), columns(), '  '))];
  return [
    ...lines,
    '',
    ...troubles.flatMap(({ text, remedy }) => [
      `${paint('red', '✗')} ${wrap(plain(text), columns(), '  ')}`,
      `  ${paint('dim', `→ ${wrap(plain(remedy), columns(), '    ')}`)}`,
    ]),
  ];
};
