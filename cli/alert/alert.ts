import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { SNSClient } from '@aws-sdk/client-sns';
import { awsClientDefaults } from '../../functions/lib/aws/client.ts';
import { createPublish, createPublishChat } from '../../functions/lib/aws/publish.ts';
import { defined } from '../../functions/lib/defined.ts';
import { type Messages, writeMessages } from '../../functions/lib/report/messages.ts';
import { parseFirstSteps } from '../../functions/lib/report/runbook.ts';
import { describeFailure, exitCodes, UsageError } from '../../stack/failure.ts';
import { type CommandContext, type CommonOptions, interruptible } from '../context.ts';
import type { Terminal } from '../terminal.ts';
import { composeRehearsals, type Rehearsal } from './rehearsals.ts';

interface AlertOptions extends CommonOptions {
  readonly kind?: string;
  readonly severity?: string;
  readonly to: string;
  readonly html?: string;
  readonly runbook?: string;
  readonly profile?: string;
}

const execution = 'arn:aws:states:us-east-1:123456789012:execution:runpod-ecr-refresh-prod:rehearsal';

type Protocol = 'email' | 'sms' | 'machine' | 'topic';

const topicPattern = /^arn:aws(?:-cn|-us-gov|-eusc)?:sns:[\w-]+:\d{12}:[\w-]{1,256}$/;

const protocolOf = (reader: string): Protocol => {
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

const show = ({ subject, email, sms, machine }: Messages, protocol: Protocol, reader: string): string => {
  if (protocol === 'sms') return `To: ${reader}\n\n${sms}`;
  if (protocol === 'machine') return `POST ${reader}\n\n${JSON.stringify(JSON.parse(machine), undefined, 2)}`;
  return `To: ${reader}\nSubject: ${subject}\n\n${email}`;
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
<title>What subscribers get</title>
<style>${style}</style>
<h1>What subscribers get</h1>
${sections.join('\n')}
</html>
`;
};

const contextOf = (runbook = '') => ({
  execution,
  runbook,
  firstSteps: parseFirstSteps(readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8')),
});

/** Says of itself, in every form, that it is a rehearsal. */
const mark = ({ alerts: [first, ...others] }: Rehearsal): Rehearsal['alerts'] => {
  const announce = (alert: typeof first) => ({ ...alert, text: `Rehearsal, nothing has happened. ${alert.text}` });
  return [announce(first), ...others.map(announce)];
};

const upstreamTimeoutSeconds = 10;

const send = async (
  rehearsal: Rehearsal,
  { to: topic, runbook, profile }: AlertOptions,
  { aws }: CommandContext,
  { print, printError }: Terminal,
): Promise<void> => {
  const [, , , region = ''] = topic.split(':');
  const connection = { ...aws, ...defined({ profile }), region };
  const sns = new SNSClient(awsClientDefaults({ UPSTREAM_TIMEOUT_SECONDS: upstreamTimeoutSeconds, aws: connection }));
  try {
    // The stack names its topics …-alerts and …-chat; Amazon Q drops whatever is not of its own form.
    const publish = topic.endsWith('-chat')
      ? createPublishChat(sns, topic)
      : createPublish(sns, { alert: topic, chat: undefined }, { info: print, error: printError });
    await publish(writeMessages(mark(rehearsal), contextOf(runbook)));
  } finally {
    sns.destroy();
  }
  print(`Sent to ${topic}: ${rehearsal.kind}, ${rehearsal.severity}`);
};

/** Rehearses alerts. @returns the exit code */
export const alert = async (options: AlertOptions, context: CommandContext, terminal: Terminal): Promise<number> => {
  const { kind, severity, to, html, runbook } = options;
  const protocol = protocolOf(to);
  const chosen = choose(composeRehearsals(context.now()), kind, severity);
  const write = ({ alerts }: Rehearsal): Messages => writeMessages(alerts, contextOf(runbook));
  const [first] = chosen;
  if (html !== undefined) {
    try {
      writeFileSync(resolve(context.folder, html), page(chosen, write));
    } catch (error) {
      throw new UsageError(
        `--html: expected a file that can be written, found ${JSON.stringify(html)} (${describeFailure(error)}).`,
      );
    }
    terminal.print(`Written to ${html}: ${chosen.length} alerts in each of their forms.`);
  } else if (protocol === 'topic' && first !== undefined) {
    if (kind === undefined) throw new UsageError('--kind: say which alert the topic gets; all at once would be noise.');
    await send(first, options, interruptible(context), terminal);
  } else {
    terminal.print(chosen.map((each) => show(write(each), protocol, to)).join(`\n\n${'─'.repeat(60)}\n\n`));
  }
  return exitCodes.well;
};
