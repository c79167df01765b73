/** The longest name of the stack's, `runpod-ecr-refresh-STAGE-verify-endpoint-pull`, has the 64 characters that Lambda takes. */
export const maxStageLength = 24;

export const stagePattern = new RegExp(`^[A-Za-z][A-Za-z0-9-]{0,${maxStageLength - 1}}$`);

/**
 * The regions in which AWS offers every service that the stack is made of, EventBridge Scheduler the last of them.
 *
 * Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/feature-availability.html, and the resource types that
 * CloudFormation publishes by region (cfn-lint has them: `npm run lint:template`)
 */
const regions = new Set(
  `af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1
  ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1
  cn-north-1 cn-northwest-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3
  eusc-de-east-1 il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1
  us-gov-west-1 us-west-1 us-west-2`.split(/\s+/),
);

/** Whether a stack can stand in a region. */
export const isStackRegion = (region: string): boolean => regions.has(region);
