import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { SNSClient } from '@aws-sdk/client-sns';
import { awsClientDefaults } from '../functions/lib/aws/client.ts';
import { createPublish, createPublishChat } from '../functions/lib/aws/publish.ts';
import { type Messages, writeMessages } from '../functions/lib/report/messages.ts';
import { parseFirstSteps } from '../functions/lib/report/runbook.ts';
import { composeRehearsals, type Rehearsal } from './rehearsals.ts';

const help = `Rehearses alerts: shows what people would get, or sends it to them as a test.

  npm run alert                                       every alert, as a letter
  npm run alert -- --kind failed --to me@example.com  one kind, as that reader would get it
  npm run alert -- --kind failed --to +15555550100    … by SMS
  npm run alert -- --kind failed --to https://…       … as JSON
  npm run alert -- --html alerts.html                 a page with all of them side by side
  npm run alert -- --kind failed --to arn:aws:sns:us-east-1:123456789012:runpod-ecr-refresh-prod-alerts
                                                      sends it to the deployed topic, marked as a rehearsal;
                                                      to …-chat, in the form that Slack and Teams get

  --kind       delayed, failed, degraded, recovered or digest
  --severity   critical, warning or info
  --to         who would get it; an SNS topic's ARN really gets it
  --html       the file to write the page to
  --runbook    where links lead (default: none; alerts then say what docs/runbook.md says)

Exit codes: 0 done, 1 SNS refused the message, 2 the command line has a mistake.
`;

/** What a command needs from outside. */
export interface CommandLine {
  readonly words: readonly string[];
  readonly print: (text: string) => void;
  readonly printError: (text: string) => void;
  readonly now: () => number;
}

/** A mistake in the command line, in a sentence. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

const execution = 'arn:aws:states:us-east-1:123456789012:execution:runpod-ecr-refresh-prod:rehearsal';

const options = {
  kind: { type: 'string' },
  severity: { type: 'string' },
  to: { type: 'string' },
  html: { type: 'string' },
  runbook: { type: 'string', default: '' },
  help: { type: 'boolean', default: false },
} as const;

const readWords = (words: readonly string[]) => {
  try {
    return parseArgs({ args: [...words], options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
};

type Way = 'email' | 'sms' | 'machine' | 'topic';

const topicPattern = /^arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w-]{1,256}$/;

const wayTo = (reader: string): Way => {
  if (topicPattern.test(reader)) return 'topic';
  if (/^[^\s@]+@[^\s@]+$/.test(reader)) return 'email';
  if (/^\+\d{7,15}$/.test(reader)) return 'sms';
  if (reader.startsWith('https://') && URL.canParse(reader)) return 'machine';
  throw new UsageError(
    `--to: expected an email address, a phone number such as +15555550100, an https URL or an SNS topic's ARN, found ${JSON.stringify(reader)}.`,
  );
};

const choose = (rehearsals: readonly Rehearsal[], kind: string | undefined, severity: string | undefined) => {
  const kinds = [...new Set(rehearsals.map((each) => each.kind))];
  if (kind !== undefined && !kinds.some((each) => each === kind)) {
    throw new UsageError(`--kind: expected one of ${kinds.join(', ')}, found ${JSON.stringify(kind)}.`);
  }
  const ofKind = rehearsals.filter((each) => kind === undefined || each.kind === kind);
  const severities = [...new Set(ofKind.map((each) => each.severity))];
  if (severity !== undefined && !severities.some((each) => each === severity)) {
    throw new UsageError(`--severity: expected one of ${severities.join(', ')}, found ${JSON.stringify(severity)}.`);
  }
  return ofKind.filter((each) => severity === undefined || each.severity === severity);
};

const show = ({ subject, email, sms, machine }: Messages, way: Way, reader: string): string => {
  if (way === 'sms') return `To: ${reader}\n\n${sms}\n`;
  if (way === 'machine') return `POST ${reader}\n\n${JSON.stringify(JSON.parse(machine), undefined, 2)}\n`;
  return `To: ${reader}\nSubject: ${subject}\n\n${email}\n`;
};

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escapeHtml = (text: string): string => text.replaceAll(/[&<>"]/g, (sign) => escapes[sign] ?? sign);

const style = `:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{margin:2rem auto;max-width:90rem;padding:0 1rem}
section{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));align-items:start}
figure{margin:0;border:1px solid #8885;border-radius:8px;padding:.75rem 1rem}figcaption{font-size:.8rem;opacity:.75}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.5rem 0 0;font:13px/1.5 ui-monospace,monospace}`;

const page = (rehearsals: readonly Rehearsal[], write: (rehearsal: Rehearsal) => Messages): string => {
  const sections = rehearsals.map((rehearsal) => {
    const { subject, email, sms, machine, chat } = write(rehearsal);
    const pretty = (text: string): string => JSON.stringify(JSON.parse(text), undefined, 2);
    const forms = {
      email: `Subject: ${subject}\n\n${email}`,
      SMS: sms,
      'https, sqs': pretty(machine),
      chat: pretty(chat),
    };
    const figures = Object.entries(forms).map(
      ([form, text]) => `<figure><figcaption>${form}</figcaption><pre>${escapeHtml(text)}</pre></figure>`,
    );
    return `<h2>${rehearsal.kind}, ${rehearsal.severity}</h2>\n<section>\n${figures.join('\n')}\n</section>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>What people are told</title>
<style>${style}</style>
<h1>What people are told</h1>
${sections.join('\n')}
</html>
`;
};

const contextOf = (runbook: string) => ({
  execution,
  runbook,
  firstSteps: parseFirstSteps(readFileSync(new URL('../docs/runbook.md', import.meta.url), 'utf8')),
});

/** Says of itself, in every form, that it is a rehearsal. */
const mark = ({ alerts: [first, ...others] }: Rehearsal): Rehearsal['alerts'] => {
  const say = (alert: typeof first) => ({ ...alert, text: `Rehearsal, nothing has happened. ${alert.text}` });
  return [say(first), ...others.map(say)];
};

const send = async (
  rehearsals: readonly Rehearsal[],
  topic: string,
  { print, printError }: CommandLine,
  runbook: string,
) => {
  const sns = new SNSClient({
    ...awsClientDefaults({ UPSTREAM_TIMEOUT_SECONDS: 10 }),
    region: topic.split(':')[3] ?? '',
  });
  const log = { info: print, error: printError };
  // The stack names its topics …-alerts and …-chat; Amazon Q drops whatever is not of its own form.
  const publish = topic.endsWith('-chat')
    ? createPublishChat(sns, topic)
    : createPublish(sns, { alert: topic, chat: undefined }, log);
  for (const rehearsal of rehearsals) {
    await publish(writeMessages(mark(rehearsal), contextOf(runbook)));
    print(`Sent to ${topic}: ${rehearsal.kind}, ${rehearsal.severity}\n`);
  }
};

/** Runs the command. @returns its exit code */
export const alert = async (line: CommandLine): Promise<number> => {
  try {
    const { kind, severity, to = 'you@example.com', html, runbook, help: wantsHelp } = readWords(line.words);
    if (wantsHelp) {
      line.print(help);
      return 0;
    }
    const way = wayTo(to);
    const chosen = choose(composeRehearsals(line.now()), kind, severity);
    const write = ({ alerts }: Rehearsal): Messages => writeMessages(alerts, contextOf(runbook));
    if (html !== undefined) {
      writeFileSync(html, page(chosen, write));
      line.print(`Written to ${html}: ${chosen.length} alerts in each of their forms.\n`);
    } else if (way === 'topic') {
      if (kind === undefined)
        throw new UsageError('--kind: say which alert the topic gets; all at once would be noise.');
      await send(chosen.slice(0, 1), to, line, runbook);
    } else {
      line.print(chosen.map((each) => show(write(each), way, to)).join(`\n${'─'.repeat(60)}\n\n`));
    }
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      line.printError(`${error.message}\nSee npm run alert -- --help.\n`);
      return 2;
    }
    line.printError(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
};

if (import.meta.main) {
  process.exitCode = await alert({
    words: process.argv.slice(2),
    print: (text) => void process.stdout.write(text),
    printError: (text) => void process.stderr.write(text),
    now: Date.now,
  });
}
