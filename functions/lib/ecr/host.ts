/** An ECR registry: an AWS account's images in one region. */
interface EcrHost {
  readonly account: string;
  readonly region: string;
}

const account = '(?<account>\\d{12})';
const regionName = '[a-z]{2,}(?:-[a-z]+)+-\\d{1,2}';
const region = `(?<region>${regionName})`;

/** An AWS region's name, such as us-east-1. */
export const regionPattern = new RegExp(`^${regionName}$`);

/** The AWS partition of a region. */
export const partitionOf = (region: string): string => {
  if (region.startsWith('cn-')) return 'aws-cn';
  if (region.startsWith('us-gov-')) return 'aws-us-gov';
  if (region.startsWith('eusc-')) return 'aws-eusc';
  return 'aws';
};

/** The suffixes of ECR's host names, with the partitions whose regions have them. */
const suffixes: Readonly<Record<string, readonly string[]>> = {
  'amazonaws.com': ['aws', 'aws-us-gov'],
  'on.aws': ['aws', 'aws-us-gov'],
  'amazonaws.com.cn': ['aws-cn'],
  'on.amazonwebservices.com.cn': ['aws-cn'],
  'amazonaws.eu': ['aws-eusc'],
  'on.amazonwebservices.eu': ['aws-eusc'],
};

/**
 * ECR's own host names, and nothing else: a token is sent to no other host, and to none of another partition.
 *
 * Source: https://docs.aws.amazon.com/general/latest/gr/ecr.html and the partitions of the AWS SDK, without the isolated ones: Runpod reaches none of them.
 */
const hostPattern = new RegExp(`^${account}\\.dkr(?<form>[.-])ecr(?:-fips)?\\.${region}\\.(?<suffix>[a-z.]+)$`);

/** Reads an ECR host name, or answers `undefined` for every other host. Ports, user names and trailing dots are other hosts. */
export const parseEcrHost = (host: string): EcrHost | undefined => {
  const { account: id, region: where, form, suffix = '' } = hostPattern.exec(host)?.groups ?? {};
  if (id === undefined || where === undefined) return undefined;
  if (!Object.hasOwn(suffixes, suffix) || !suffixes[suffix]?.includes(partitionOf(where))) return undefined;
  return suffix.startsWith('on.') === (form === '-') ? { account: id, region: where } : undefined;
};

/** The host name of a registry. */
export const hostOf = (ownAccount: string, inRegion: string): string => {
  const suffix = { 'aws-cn': 'amazonaws.com.cn', 'aws-eusc': 'amazonaws.eu' }[partitionOf(inRegion)] ?? 'amazonaws.com';
  return `${ownAccount}.dkr.ecr.${inRegion}.${suffix}`;
};

/** Whether two host names lead to the same registry, for instance over IPv4 and dual-stack. */
export const isSameRegistry = (one: string, other: string): boolean => {
  const [first, second] = [parseEcrHost(one), parseEcrHost(other)];
  return (
    first !== undefined && second !== undefined && first.account === second.account && first.region === second.region
  );
};
