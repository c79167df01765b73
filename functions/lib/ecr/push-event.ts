import * as z from 'zod/mini';
import { regionPattern } from './host.ts';

/** CreateRepository in ECR's API reference. */
const maxRepository = 256;

/**
 * An "ECR Image Action" or "ECR Replication Action" event, as far as we read it: which repository of which registry was
 * pushed to. It only hints that now is a good time.
 */
export const pushEventSchema = z.pipe(
  z.object({
    account: z.string().check(z.regex(/^\d{12}$/, 'expected an AWS account id of 12 digits')),
    region: z.string().check(z.regex(regionPattern, 'expected an AWS region')),
    detail: z.object({
      'repository-name': z.string().check(z.minLength(1), z.maxLength(maxRepository)),
    }),
  }),
  z.transform(({ account, region, detail }) => ({
    registry: { account, region },
    repository: detail['repository-name'],
  })),
);
