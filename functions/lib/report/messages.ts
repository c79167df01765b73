import { cutText, cutToBytes } from '../bounded-text.ts';
import type { Alert } from './alerts.ts';
import { chatText, mailText, smsText } from './plain-text.ts';
import { type FirstSteps, whatToDo } from './runbook.ts';

/** One alert in the forms its readers take. Every form is text; SNS takes them together as `MessageStructure: json`. */
export interface Messages {
  /** One line of fewer than 100 ASCII characters, severity first. */
  readonly subject: string;
  /** Reads like a letter. */
  readonly email: string;
  /** One line of fewer than 140 characters of GSM 03.38: one part of an SMS. */
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
  /** Where the runbook is; empty where it has no address. */
  readonly runbook: string;
  /** What the runbook says to do first, by section; where it has no address, alerts say it themselves. */
  readonly firstSteps?: FirstSteps;
}

const namedAlerts = 10;
const maxSubject = 99;
const maxSms = 139;
/** SNS takes 256 KiB for all forms together; no text of ours needs more than this. */
const maxText = 2000;
/** What Slack and Teams take of one notification of Amazon Q's; the whole JSON keeps to it. */
const maxChat = 8000;

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

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

/** The deadline comes first where there is one: the rest of the text may not fit. */
const smsOf = ({ kind, severity, target, text, deadline }: Alert): string => {
  const words =
    deadline === undefined ? text : `${target}: ${deadline} ${text.replace(`${target}: `, '').replace(deadline, '')}`;
  return cutText(smsText(oneLine(`${severity.toUpperCase()} ${kind}: ${words}`)), maxSms, '...');
};

const ascii = (text: string): string => oneLine(text.normalize('NFKD').replaceAll(/[^\x20-\x7e]/g, '?'));

/**
 * Where each partition has its console, below the region's name: "AWS Management Console endpoints"
 * (https://docs.aws.amazon.com/general/latest/gr/mgmt-console.html), and its counterparts in the guides of China
 * (docs.amazonaws.cn), GovCloud and the European Sovereign Cloud (docs.aws.eu).
 */
const consoleHosts: Readonly<Record<string, string>> = {
  aws: 'console.aws.amazon.com',
  'aws-cn': 'console.amazonaws.cn',
  'aws-us-gov': 'console.amazonaws-us-gov.com',
  'aws-eusc': 'console.amazonaws-eusc.eu',
};

/** Where an execution or a state machine is shown; in a partition whose console we do not know, its ARN. */
export const consoleLink = (arn: string): string => {
  const [, partition = '', , region] = arn.split(':');
  const host = consoleHosts[partition];
  if (host === undefined) return arn;
  const page = arn.includes(':execution:') ? 'v2/executions/details' : 'statemachines/view';
  return `https://${region}.${host}/states/home?region=${region}#/${page}/${arn}`;
};

const linkName = (execution: string): string =>
  execution.includes(':execution:') ? 'The execution' : 'The executions';

/**
 * Amazon Q's custom notification. Slack and Teams each read Markdown of their own, so there is none in it: addresses stand
 * bare, which both make links of, and nothing that comes from outside becomes a link, a mention or markup.
 *
 * Source: https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
 */
const chatOf = (first: Alert, title: string, texts: readonly string[], nextSteps: readonly string[]): string => {
  const notification = (description: string): string =>
    JSON.stringify({
      version: '1.0',
      source: 'custom',
      content: { textType: 'client-markdown', title: chatText(title), description, nextSteps },
      metadata: {
        threadId: `runpod-ecr-refresh-${first.target}`,
        summary: chatText(title),
        eventType: first.kind,
      },
    });
  const separator = '\n\n';
  // Each has an equal share of the room, so that the last is told as well as the first.
  const share = Math.floor((maxChat - notification('').length) / texts.length) - JSON.stringify(separator).length;
  return notification(texts.map((each) => cutToBytes(chatText(each), share)).join(separator));
};

/** Writes one message for all the alerts of a run: the worst first, ten by name and the rest counted. */
export const writeMessages = (
  alerts: readonly [Alert, ...Alert[]],
  { execution, runbook, firstSteps = {} }: MessageContext,
): Messages => {
  const sorted = alerts.toSorted((a, b) => bySeverity[a.severity] - bySeverity[b.severity]);
  const [first = alerts[0], ...others] = sorted;
  const named = sorted.slice(0, namedAlerts);
  const rest = sorted.length - named.length;
  const subject = cutText(
    `[${first.severity.toUpperCase()}] runpod-ecr-refresh: ${headlineOf(first, others.length)}`,
    maxSubject,
    '...',
  );
  const counted = rest === 0 ? [] : [`And ${rest} more targets. The execution's report names them all.`];
  const toDo = ({ section }: Alert): string => whatToDo(section, runbook, firstSteps);
  const texts = named.map((alert) => cutText(oneLine(alert.text), maxText));
  return {
    subject: ascii(subject),
    email: [
      greetingOf(first),
      ...named.map((alert, index) => `${mailText(texts[index] ?? '')}\nWhat to do: ${toDo(alert)}`),
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
    chat: chatOf(
      first,
      subject,
      [...texts, ...counted],
      [
        `What to do: ${runbook === '' ? chatText(toDo(first)) : toDo(first)}`,
        `${linkName(execution)}: ${consoleLink(execution)}`,
      ],
    ),
  };
};
