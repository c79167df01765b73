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

/**
 * ECR's own host names, and nothing else: a token is sent to no other host.
 *
 * Source: https://docs.aws.amazon.com/general/latest/gr/ecr.html and the partitions of the AWS SDK, without the isolated ones: Runpod reaches none of them.
 */
const patterns = [
  { form: 'dkr.ecr', suffixes: ['amazonaws.com', 'amazonaws.com.cn', 'amazonaws.eu'] },
  { form: 'dkr-ecr', suffixes: ['on.aws', 'on.amazonwebservices.com.cn', 'on.amazonwebservices.eu'] },
].map(({ form, suffixes }) => {
  const escaped = (text: string) => text.replaceAll('.', '\\.');
  return new RegExp(`^${account}\\.${escaped(form)}(?:-fips)?\\.${region}\\.(?:${suffixes.map(escaped).join('|')})$`);
});

/** Reads an ECR host name, or answers `undefined` for every other host. Ports, user names and trailing dots are other hosts. */
export const parseEcrHost = (host: string): EcrHost | undefined => {
  for (const pattern of patterns) {
    const groups = pattern.exec(host)?.groups;
    if (groups?.account !== undefined && groups.region !== undefined) {
      return { account: groups.account, region: groups.region };
    }
  }
  return undefined;
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

/** The AWS partition of a region. */
export const partitionOf = (region: string): string => {
  if (region.startsWith('cn-')) return 'aws-cn';
  if (region.startsWith('us-gov-')) return 'aws-us-gov';
  if (region.startsWith('eusc-')) return 'aws-eusc';
  return 'aws';
};
