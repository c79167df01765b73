import * as z from 'zod/mini';
import { parseJson } from '../functions/lib/json.ts';
import { outcomeSchema } from '../functions/lib/report/outcome.ts';
import { messageOfError, sectionOfError } from '../functions/lib/report/platform-errors.ts';
import { reportSchema } from '../functions/lib/report/report.ts';
import type { ActionCommand } from './words.ts';

/** What a step says of a command: its outputs, and its summary. */
export interface Summary {
  readonly outcome: string;
  readonly sentence: string;
  /** The first line has the columns' names. */
  readonly table: ReadonlyArray<readonly string[]>;
  /** Sections of the runbook. */
  readonly sections: readonly string[];
}

/** How a command ended. */
export interface EndedCommand {
  readonly code: number | null;
  /** What it printed, which is JSON where it came so far. */
  readonly printed: string;
  /** The last line that it printed to stderr. */
  readonly lastError: string;
}

const text = z.string();
const refreshSchema = z.extend(reportSchema, {
  targets: z.array(z.extend(outcomeSchema, { would: z.optional(text) })),
});
const rolloutSchema = z.object({ endpoint: text, image: text, verdict: text, sentence: text });
const heldSchema = z.object({ endpoint: text, isHeld: z.boolean(), sentence: text });
const rolloutsSchema = z.array(z.object({ endpoint: text, runs: z.optional(text), problem: z.optional(text) }));
const doctorSchema = z.object({
  findings: z.array(z.object({ group: text, title: text, mark: text, text, remedy: z.optional(text) })),
});

type Refreshed = z.output<typeof refreshSchema>;

const sentenceOfTarget = ({ target, refreshed, expiresAt, error, would }: Refreshed['targets'][number]): string => {
  if (would !== undefined) return `${target}: ${would}`;
  if (refreshed) return `${target}: stored a token that is good until ${expiresAt ?? 'an unknown time'}.`;
  return `${target}: ${error === undefined ? 'no token was stored.' : `${error.name}: ${messageOfError(error)}`}`;
};

const summariseRefresh = ({ outcome, targets, error }: Refreshed): Summary => {
  const failed = targets.filter(({ refreshed, would }) => !refreshed && would === undefined);
  const bad = targets.flatMap(({ endpoints }) => endpoints).filter(({ proof }) => proof === 'failed').length;
  const few = targets.length <= 3 ? targets : failed.slice(0, 3);
  const sentences = [
    ...(targets.length <= 3 ? [] : [`${targets.length - failed.length} of ${targets.length} targets went well.`]),
    ...few.map(sentenceOfTarget),
    ...(bad === 0 ? [] : [`${bad === 1 ? 'An endpoint' : `${bad} endpoints`} cannot pull.`]),
    ...(targets.length === 0 && error !== undefined ? [messageOfError(error)] : []),
  ];
  const names = [error, ...failed.map((each) => each.error)].flatMap((each) => (each === undefined ? [] : [each.name]));
  return {
    outcome,
    sentence: sentences.join(' '),
    table: [
      ['target', 'endpoint', 'proof', 'what was seen'],
      ...targets.flatMap(({ target, endpoints }) =>
        endpoints.map(({ endpoint, proof, evidence, reason }) => [target, endpoint, proof, evidence ?? reason]),
      ),
    ],
    sections: [...new Set(names.map(sectionOfError))],
  };
};

const summariseDoctor = ({ findings }: z.output<typeof doctorSchema>, outcome: string): Summary => {
  const count = (mark: string): number => findings.filter((each) => each.mark === mark).length;
  return {
    outcome,
    sentence: `${count('wrong')} wrong, ${count('warning')} to know, ${count('skipped')} not looked at, ${count('ok')} well.`,
    table: [
      ['', 'about', 'what', 'what to do'],
      ...findings
        .filter(({ mark }) => mark !== 'ok')
        .map(({ group, title, mark, text: what, remedy = '' }) => [mark, `${group}: ${title}`, what, remedy]),
    ],
    sections: [],
  };
};

/** Says what a command came to. */
export const summarise = (command: ActionCommand, { code, printed, lastError }: EndedCommand): Summary => {
  const outcome = code === 0 ? 'succeeded' : 'failed';
  const report = parseJson(printed);
  const refresh = command === 'refresh' ? refreshSchema.safeParse(report).data : undefined;
  if (refresh !== undefined) return summariseRefresh(refresh);
  const doctor = command === 'doctor' ? doctorSchema.safeParse(report).data : undefined;
  if (doctor !== undefined) return summariseDoctor(doctor, outcome);
  const rollout = rolloutSchema.safeParse(report).data;
  if (rollout !== undefined) {
    const { endpoint, image, verdict, sentence } = rollout;
    const table = [
      ['endpoint', 'image', 'verdict'],
      [endpoint, image, verdict],
    ];
    return { outcome: verdict, sentence, table, sections: [] };
  }
  const held = heldSchema.safeParse(report).data;
  if (held !== undefined) return { outcome, sentence: held.sentence, table: [], sections: [] };
  const all = rolloutsSchema.safeParse(report).data;
  const rows = (all ?? []).map(({ endpoint, problem = 'nothing', runs = problem }) => [endpoint, runs]);
  const table = [['endpoint', 'runs'], ...rows];
  if (all !== undefined) return { outcome, sentence: `${all.length} endpoints follow something.`, table, sections: [] };
  const said = code === 0 ? printed.trim() : lastError;
  const sentence = said === '' ? `The command ended with ${code ?? 'a signal'} and said nothing.` : said;
  return { outcome, sentence, table: [], sections: [] };
};

const maxRows = 200;
const maxCellCharacters = 500;

/**
 * What Runpod and its hosts say becomes text, whatever Markdown or HTML is in it.
 * https://github.github.com/gfm/#backslash-escapes
 */
const plainCell = (cell: string): string =>
  cell
    .slice(0, maxCellCharacters)
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\\`*_[\]|~#]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');

const row = (cells: readonly string[]): string => `| ${cells.map(plainCell).join(' | ')} |`;

/**
 * Writes the summary of a job, in GitHub's Markdown.
 *
 * @param pages where the repository of the action is shown, at the version that ran: docs are found from there
 * @param runPage the run that it is the summary of
 */
export const writeMarkdown = (
  command: ActionCommand,
  { outcome, sentence, table: [names, ...rows], sections }: Summary,
  pages: string,
  runPage: string,
): string => {
  const links = [
    `[This run](${runPage})`,
    ...sections.map((name) => `[What to do: ${plainCell(name)}](${pages}/docs/runbook.md#${name.toLowerCase()})`),
    `[What a report says](${pages}/docs/report.md)`,
    '[Runpod](https://console.runpod.io/serverless)',
  ];
  return [
    `### runpod-ecr-refresh ${command}: ${plainCell(outcome)}`,
    plainCell(sentence.slice(0, maxCellCharacters)),
    ...(names === undefined || rows.length === 0
      ? []
      : [[row(names), row(names.map(() => '---')), ...rows.slice(0, maxRows).map(row)].join('\n')]),
    ...(rows.length > maxRows ? [`… and ${rows.length - maxRows} more, in the output \`report\`.`] : []),
    links.join(' · '),
    '',
  ].join('\n\n');
};
