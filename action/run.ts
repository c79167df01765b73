/** Runs a command as a step of a GitHub workflow, which action.yml describes: masks first, then the command, then what it came to. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createReadApiKey } from '../functions/lib/aws/api-key.ts';
import { readTargets } from '../functions/lib/targets.ts';
import { readCaller } from '../stack/caller.ts';
import { describeFailure, exitCodes, UsageError } from '../stack/failure.ts';
import { useProxy } from '../stack/proxy.ts';
import { type EndedCommand, summarise, writeMarkdown } from './summary.ts';
import { readWords } from './words.ts';

const environment = process.env;
const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

/** A report has 240 KiB at the most; doctor's grows with the targets. GitHub takes outputs of 1 MB. */
const maxPrintedCharacters = 900_000;

/** The keys that can be read. What stands in the way of one the command meets, too, and says so. */
const readRunpodKeys = async (): Promise<string[]> => {
  const { INPUT_STAGE: stage, INPUT_REGION: region, INPUT_PROFILE: profile } = environment;
  const given = Object.entries({ stage, region, profile }).filter(([, value]) => (value ?? '') !== '');
  const { settings } = readCaller(Object.fromEntries(given), { environment });
  const sources = readTargets(settings.TARGETS_FILE, process.cwd()).flatMap(({ runpod }) => [
    runpod.apiKey,
    ...[runpod.rolloutKey, runpod.podKey].filter((source) => source !== undefined),
  ]);
  const read = createReadApiKey(settings);
  const keys = await Promise.all([...new Set(sources)].map((source) => read(source).catch(() => [])));
  return keys.flat();
};

/** Runs a command to its end. What it says on the way goes to the log. */
const runCommand = async (words: readonly string[]): Promise<EndedCommand> => {
  const child = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  // A cancelled job gets SIGINT, then SIGTERM: the command ends what it is storing.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGINT'));
  let [printed, lastError] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    printed = (printed + chunk).slice(0, maxPrintedCharacters);
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    process.stderr.write(chunk);
    lastError = (lastError + chunk).slice(-10_000);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, printed, lastError: lastError.trimEnd().split('\n').at(-1) ?? '' };
};

/** Appends to a file that GitHub reads after the step. */
const append = (file: 'GITHUB_OUTPUT' | 'GITHUB_STEP_SUMMARY', content: string): void => {
  const path = environment[file] ?? '';
  if (path !== '') appendFileSync(path, content);
};

/** https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#multiline-strings */
const output = (name: string, value: string): void => {
  const end = randomUUID();
  append('GITHUB_OUTPUT', `${name}<<${end}\n${value}\n${end}\n`);
};

const compact = (printed: string): string => {
  try {
    return JSON.stringify(JSON.parse(printed));
  } catch {
    return '';
  }
};

const perform = async (): Promise<number> => {
  const words = readWords(environment);
  useProxy(environment, process.versions.node);
  for (const key of await readRunpodKeys().catch(() => [])) process.stdout.write(`::add-mask::${key}\n`);
  // Workers' logs are quoted: no line of theirs is a command to the runner.
  const resume = randomUUID();
  process.stdout.write(`::stop-commands::${resume}\n`);
  const ended = await runCommand(words);
  const [command] = words;
  const summary = summarise(command, ended);
  process.stdout.write(`${summary.sentence}\n::${resume}::\n`);
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: run, GITHUB_SHA: sha } = environment;
  // Neither is set where a repository uses an action of its own.
  const pages = `${server}/${environment.ACTION_REPOSITORY || repository}/blob/${environment.ACTION_REF || sha}`;
  append('GITHUB_STEP_SUMMARY', writeMarkdown(command, summary, pages, `${server}/${repository}/actions/runs/${run}`));
  output('outcome', summary.outcome);
  output('report', compact(ended.printed));
  return ended.code ?? exitCodes.trouble;
};

try {
  process.exitCode = await perform();
} catch (error) {
  process.stderr.write(`${describeFailure(error)}\n`);
  output('outcome', 'failed');
  process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.trouble;
}
