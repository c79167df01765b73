import { EcrAccessDeniedError } from '../../functions/lib/errors.ts';
import { type Check, need, ok, skipped, warning, wrong } from './check.ts';
import type { TargetView } from './target-view.ts';

/** Over this, a worker may take longer to start than the seven minutes after which Runpod calls it unhealthy. */
const largeBytes = 10e9;

/** What can be wrong with minting a token, and with pulling the endpoints' images with it. */
export const imageChecks = ({ target, token, images }: TargetView): Check[] => {
  const { name: group, ecr } = target;
  return [
    {
      group,
      title: 'token',
      run: async () => {
        try {
          const { registry } = await token();
          return ok(`ECR mints tokens for ${registry}.`);
        } catch (error) {
          if (!(error instanceof EcrAccessDeniedError) || ecr.roleArn === undefined) throw error;
          return warning(
            `Role ${ecr.roleArn} cannot be assumed from here.`,
            'It need not trust you, only the stack: see whether the last run succeeded (docs/cross-account.md).',
          );
        }
      },
    },
    {
      group,
      title: 'images',
      run: async () => {
        const tried = await images();
        if (tried.length === 0) return skipped('There is no image to try.');
        return tried.map((each) =>
          'problem' in each
            ? wrong(`${each.image} cannot be pulled: ${each.problem}.`, `${each.remedy}.`)
            : ok(`${each.image} can be pulled, for linux/amd64 (${(each.sizeInBytes / 1e6).toFixed(0)} MB).`),
        );
      },
    },
    {
      group,
      title: 'size',
      run: async () => {
        const tried = await need('an image', images());
        const large = tried.filter((each) => 'sizeInBytes' in each && each.sizeInBytes > largeBytes);
        if (large.length === 0)
          return tried.length === 0
            ? skipped('There is no image to measure.')
            : ok('No image is so large that pulling it holds workers up.');
        return warning(
          `${large.map(({ image }) => image).join(', ')}: over ${largeBytes / 1e9} GB. A worker that takes 7 minutes to start counts as unhealthy.`,
          'Use a smaller base image, keep models on a network volume, or switch FlashBoot on.',
        );
      },
    },
  ];
};
