import type { WorldClock } from '../clock.ts';
import { type AwsCaller, AwsError, type AwsService, xml } from './server.ts';

/** A CloudWatch alarm. */
interface SimulatedAlarm {
  readonly name: string;
  state: 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';
  actionsEnabled: boolean;
  readonly description: string;
}

/** A subscription to a topic, confirmed or not yet. */
interface Subscription {
  readonly topicArn: string;
  readonly protocol: string;
  readonly endpoint: string;
  isConfirmed: boolean;
  /** Whether it was ended by the link in a mail. */
  isEnded?: boolean;
}

/** The stack as it was deployed, by what CloudFormation, Scheduler, EventBridge, CloudWatch and SNS say of it. */
export class Deployment {
  /** CloudFormation's status; `undefined` where there is no such stack. */
  status: string | undefined = 'UPDATE_COMPLETE';
  readonly outputs: Record<string, string>;
  readonly schedule = { expression: 'rate(3 hours)', state: 'ENABLED' };
  readonly rule = { state: 'ENABLED' };
  readonly alarms: SimulatedAlarm[];
  readonly subscriptions: Subscription[] = [];
  readonly #name: string;
  readonly #region: string;
  readonly #clock: WorldClock;

  constructor(
    clock: WorldClock,
    name: string,
    region: string,
    outputs: Record<string, string>,
    alarmNames: readonly string[],
  ) {
    this.#clock = clock;
    this.#name = name;
    this.#region = region;
    this.outputs = outputs;
    this.alarms = alarmNames.map((each) => ({
      name: `${name}-${each}`,
      state: 'OK',
      actionsEnabled: true,
      description: `First: docs/runbook.md, ${each}.`,
    }));
  }

  #require(name: string, { region }: AwsCaller): void {
    if (name !== this.#name || region !== this.#region || this.status === undefined) {
      throw new AwsError('ValidationError', `Stack with id ${name} does not exist`);
    }
  }

  #showStack(): string {
    const time = new Date(this.#clock.now()).toISOString();
    const outputs = Object.entries(this.outputs).map(
      ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${xml(value)}</OutputValue></member>`,
    );
    return `<Stacks><member><StackName>${this.#name}</StackName><StackStatus>${this.status}</StackStatus><CreationTime>${time}</CreationTime><Outputs>${outputs.join('')}</Outputs></member></Stacks>`;
  }

  readonly service: AwsService = {
    query: {
      DescribeStacks: (input, caller) => {
        this.#require(input.get('StackName') ?? '', caller);
        return this.#showStack();
      },
      ListSubscriptionsByTopic: (input) => {
        const members = this.subscriptions
          .filter(({ topicArn }) => topicArn === input.get('TopicArn'))
          .map(({ topicArn, protocol, endpoint, isConfirmed, isEnded }, index) => {
            const live = isConfirmed ? `${topicArn}:${index}` : 'PendingConfirmation';
            const arn = isEnded === true ? 'Deleted' : live;
            return `<member><TopicArn>${topicArn}</TopicArn><Protocol>${protocol}</Protocol><Endpoint>${xml(endpoint)}</Endpoint><SubscriptionArn>${arn}</SubscriptionArn><Owner>123456789012</Owner></member>`;
          });
        return `<Subscriptions>${members.join('')}</Subscriptions>`;
      },
    },
    json: {
      'AWSEvents.DescribeRule': ({ Name }) => {
        if (this.status === undefined || Name !== `${this.#name}-push`) {
          throw new AwsError('ResourceNotFoundException', `Rule ${String(Name)} does not exist on EventBus default.`);
        }
        return { Name, State: this.rule.state };
      },
      'GraniteServiceVersion20100801.DescribeAlarms': ({ AlarmNamePrefix = '' }) => ({
        MetricAlarms: (this.status === undefined ? [] : this.alarms)
          .filter(({ name }) => name.startsWith(String(AlarmNamePrefix)))
          .map(({ name, state, actionsEnabled, description }) => ({
            AlarmName: name,
            StateValue: state,
            ActionsEnabled: actionsEnabled,
            AlarmDescription: description,
          })),
      }),
    },
    rest: {
      'GET /schedules/': {
        operation: 'GetSchedule',
        answer: (path) => {
          if (this.status === undefined || path !== this.#name) {
            throw new AwsError('ResourceNotFoundException', `Schedule ${path} does not exist.`, 404);
          }
          return {
            Name: this.#name,
            ScheduleExpression: this.schedule.expression,
            State: this.schedule.state,
            FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 5 },
          };
        },
      },
    },
  };
}
