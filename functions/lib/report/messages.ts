import type { Alert } from './alerts.ts';

/** One alert in the forms its readers take. Every form is text; SNS takes them together as `MessageStructure: json`. */
export interface Messages {
  /** One line of fewer than 100 ASCII characters, severity first. */
  readonly subject: string;
  /** Reads like a letter. */
  readonly email: string;
  /** One line of fewer than 140 characters. */
  readonly sms: string;
  /** JSON for https and sqs, as docs/alerts.md describes it. */
  readonly machine: string;
  /** Amazon Q's custom notification for Slack and Teams. */
  readonly chat: string;
}

/** What surrounds the alerts of one message. */
interface MessageContext {
  /** The execution's ARN, or the state machine's where no run is meant. */
  readonly execution: string;
  /** Where the runbook is. */
  readonly runbook: string;
}

const namedAlerts = 10;
const maxSubject = 99;
const maxSms = 139;
/** SNS takes 256 KiB for all forms together; no text of ours needs more than this. */
const maxText = 2000;

const bySeverity = { critical: 0, warning: 1, info: 2 } as const;
const greetings = {
  critical: 'Something needs you now.',
  warning: 'Something needs a look today.',
  info: 'Good news.',
} as const;

/** The letter's first line. */
const greetingOf = ({ kind, severity }: Alert): string =>
  kind === 'digest' && severity === 'info' ? 'All is well.' : greetings[severity];

/** What the subject says of the alerts after their severity. */
const headlineOf = (first: Alert, others: number): string => {
  const more = others === 0 ? '' : ` and ${others} more`;
  return first.kind === 'digest' ? `daily digest of ${first.target}${more}` : `${first.target}${more} ${first.kind}`;
};

const cut = (text: string, length: number, mark = '…'): string =>
  text.length <= length ? text : `${text.slice(0, length - mark.length)}${mark}`;

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

/** The deadline comes first where there is one: the rest of the text may not fit. */
const smsOf = ({ kind, severity, target, text, deadline }: Alert): string => {
  const words =
    deadline === undefined ? text : `${target}: ${deadline} ${text.replace(`${target}: `, '').replace(deadline, '')}`;
  return cut(oneLine(`${severity.toUpperCase()} ${kind}: ${words}`), maxSms);
};

const ascii = (text: string): string => oneLine(text.normalize('NFKD').replaceAll(/[^\x20-\x7e]/g, '?'));

/** Amazon Q reads Markdown: what comes from outside must not become any. */
const plainMarkdown = (text: string): string => text.replaceAll(/[\\`*_{}[\]()<>#+!|~-]/g, '\\$&');

const consoleLink = (execution: string): string => {
  const region = execution.split(':')[3];
  const page = execution.includes(':execution:') ? 'v2/executions/details' : 'statemachines/view';
  return `https://${region}.console.aws.amazon.com/states/home?region=${region}#/${page}/${execution}`;
};

const linkName = (execution: string): string =>
  execution.includes(':execution:') ? 'The execution' : 'The executions';

/** The runbook's section of an alert: that of the error, else of the kind of trouble. */
const sectionOf = ({ section }: Alert, runbook: string): string => `${runbook}#${section.toLowerCase()}`;

/** Writes one message for all the alerts of a run: the worst first, ten by name and the rest counted. */
export const writeMessages = (
  alerts: readonly [Alert, ...Alert[]],
  { execution, runbook }: MessageContext,
): Messages => {
  const sorted = alerts.toSorted((a, b) => bySeverity[a.severity] - bySeverity[b.severity]);
  const [first = alerts[0], ...others] = sorted;
  const named = sorted.slice(0, namedAlerts);
  const rest = sorted.length - named.length;
  const subject = cut(
    `[${first.severity.toUpperCase()}] runpod-ecr-refresh: ${headlineOf(first, others.length)}`,
    maxSubject,
    '...',
  );
  const counted = rest === 0 ? [] : [`And ${rest} more targets. The execution's report names them all.`];
  const texts = named.map((alert) => cut(oneLine(alert.text), maxText));
  return {
    subject: ascii(subject),
    email: [
      greetingOf(first),
      ...named.map((alert, index) => `${texts[index]}\nWhat to do: ${sectionOf(alert, runbook)}`),
      ...counted,
      `${linkName(execution)}: ${consoleLink(execution)}`,
    ].join('\n\n'),
    sms: smsOf(first),
    machine: JSON.stringify({
      version: 1,
      severity: first.severity,
      kind: first.kind,
      execution,
      alerts: named.map(({ kind, severity, target, section }, index) => ({
        kind,
        severity,
        target,
        section,
        text: texts[index],
      })),
      more: rest,
    }),
    chat: JSON.stringify({
      version: '1.0',
      source: 'custom',
      content: {
        textType: 'client-markdown',
        title: subject,
        description: [...texts.map(plainMarkdown), ...counted].join('\n\n'),
        nextSteps: [
          `[What to do](${sectionOf(first, runbook)})`,
          `[${linkName(execution)}](${consoleLink(execution)})`,
        ],
      },
      metadata: { threadId: `runpod-ecr-refresh-${first.target}`, summary: subject, eventType: first.kind },
    }),
  };
};
