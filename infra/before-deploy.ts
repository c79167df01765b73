import { CloudFormationClient, GetTemplateCommand } from '@aws-sdk/client-cloudformation';
import { CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { ConfigurationError } from '../functions/lib/errors.ts';
import { type AwsConfiguration, refuseWithRolloutsUnderWay } from './under-way.ts';

/** A template, as far as this looks into it. */
interface DeployedTemplate {
  readonly Resources?: Readonly<
    Record<
      string,
      {
        readonly Properties?: { readonly [property: string]: unknown; readonly Subscription?: unknown };
      }
    >
  >;
}

/** What to do before a stack is deployed. */
interface BeforeDeploy {
  readonly stackName: string;
  /** The template that is to be deployed. */
  readonly template: DeployedTemplate;
  /** Whether it was packaged from targets.example.yml. */
  readonly isExample: boolean;
  /** Whether people may stop being told. */
  readonly dropListeners: boolean;
  /** Whether rollouts that are under way may be stopped. */
  readonly stopRunning: boolean;
  /** The template that is deployed; `undefined` where there is none. */
  readonly readDeployed: () => Promise<DeployedTemplate | undefined>;
  /** Throws where rollouts are under way. */
  readonly refuseWithRollouts: () => Promise<void>;
  /** Says something to whoever deploys. */
  readonly print: (text: string) => void;
  /** Publishes one point of the dead-man's switch's metric. */
  readonly publishFirstPoint: () => Promise<void>;
}

/** Whom a topic tells. */
interface Listener {
  readonly topic: string;
  readonly protocol: string;
  readonly endpoint: string;
}

const listenersOf = ({ Resources = {} }: DeployedTemplate): Listener[] =>
  Object.entries(Resources).flatMap(([topic, { Properties }]) =>
    (Array.isArray(Properties?.Subscription) ? Properties.Subscription : []).map(
      ({ Protocol, Endpoint }: { readonly Protocol?: unknown; readonly Endpoint?: unknown }) => ({
        topic,
        protocol: String(Protocol),
        endpoint: typeof Endpoint === 'string' ? Endpoint : JSON.stringify(Endpoint),
      }),
    ),
  );

/** Names a listener. Of a pager's URL, which is a secret, only the host. */
const nameOf = ({ topic, protocol, endpoint }: Listener): string => {
  const [, secret] = /^\{\{resolve:(secretsmanager:.+):SecretString\}\}$/.exec(endpoint) ?? [];
  const shown = URL.canParse(endpoint) && /^https?:/.test(endpoint) ? new URL(endpoint).host : endpoint;
  return `${protocol} ${secret ?? shown} at ${topic}`;
};

const keyOf = ({ topic, protocol, endpoint }: Listener): string => `${topic} ${protocol} ${endpoint}`;

const hasDeadMansSwitch = (template: DeployedTemplate | undefined): boolean =>
  template?.Resources?.NoSuccess?.Properties?.MetricName === 'ScheduledRunsReported';

const hasRollouts = (template: DeployedTemplate | undefined): boolean =>
  template?.Resources?.RolloutMachine !== undefined;

/** A package may have been made long before, on another machine: whether it is this stack's, and fit to be deployed. */
const checkPackage = ({
  template,
  stackName,
  isExample,
}: Pick<BeforeDeploy, 'template' | 'stackName' | 'isExample'>): void => {
  const machine = template.Resources?.StateMachine?.Properties?.StateMachineName;
  if (machine !== stackName) {
    throw new ConfigurationError(
      `What was packaged is ${JSON.stringify(machine)}, not ${stackName}. Package and deploy with the same --stage.`,
    );
  }
  if (isExample) {
    throw new ConfigurationError('What was packaged is targets.example.yml. Package again, with a targets.yml.');
  }
};

/**
 * Looks at what is deployed before it is replaced. CloudFormation unsubscribes whom the new template no longer lists, and an
 * alarm that takes silence for failure opens at once where its metric never had a point.
 *
 * @throws {ConfigurationError} the package is another stack's or an example, or the deploy would end telling somebody and
 *   that was not asked for, or would stop a rollout
 */
const beforeDeploy = async ({
  stackName,
  template,
  isExample,
  dropListeners,
  stopRunning,
  readDeployed,
  refuseWithRollouts,
  publishFirstPoint,
  print,
}: BeforeDeploy): Promise<void> => {
  checkPackage({ template, stackName, isExample });
  const deployed = await readDeployed();
  const stay = new Set(listenersOf(template).map(keyOf));
  const dropped = deployed === undefined ? [] : listenersOf(deployed).filter((each) => !stay.has(keyOf(each)));
  if (dropped.length > 0 && !dropListeners) {
    throw new ConfigurationError(
      `This deploy of ${stackName} would stop telling: ${dropped.map(nameOf).join(', ')}. List them in targets.yml under alerts, or deploy with --param="dropListeners=yes".`,
    );
  }
  if (hasRollouts(deployed) && !hasRollouts(template)) {
    if (!stopRunning) await refuseWithRollouts();
    print(
      `This deploy takes rollouts away from ${stackName}: each endpoint stays on the image that it has, and nobody watches any more whether one works that was not proven yet.\n`,
    );
  }
  if (!hasDeadMansSwitch(deployed)) await publishFirstPoint();
};

/** Does that with AWS's own answers. */
export const beforeDeployToAws = (
  stack: Pick<BeforeDeploy, 'stackName' | 'template' | 'isExample' | 'dropListeners' | 'stopRunning' | 'print'>,
  configuration: AwsConfiguration,
): Promise<void> =>
  beforeDeploy({
    ...stack,
    readDeployed: async () => {
      try {
        const command = new GetTemplateCommand({ StackName: stack.stackName });
        const { TemplateBody = '{}' } = await new CloudFormationClient(configuration).send(command);
        return JSON.parse(TemplateBody) as DeployedTemplate;
      } catch (error) {
        if (error instanceof Error && error.name === 'ValidationError' && /does not exist/.test(error.message)) {
          return undefined;
        }
        throw error;
      }
    },
    refuseWithRollouts: () =>
      refuseWithRolloutsUnderWay(
        {
          stackName: stack.stackName,
          what: 'this deploy, which takes rollouts away,',
          command: 'serverless deploy',
        },
        configuration,
      ),
    publishFirstPoint: async () => {
      const datum = {
        MetricName: 'ScheduledRunsReported',
        Dimensions: [
          { Name: 'service', Value: 'report' },
          { Name: 'Stack', Value: stack.stackName },
        ],
        Value: 1,
        Unit: 'Count' as const,
      };
      await new CloudWatchClient(configuration).send(
        new PutMetricDataCommand({ Namespace: 'RunpodEcrRefresh', MetricData: [datum] }),
      );
    },
  });
