/** Says what `serverless remove` leaves, before it begins: docs/upgrading.md. */
module.exports = class BeforeRemove {
  constructor(serverless) {
    this.hooks = {
      'before:remove:remove': () => {
        const stackName = serverless.getProvider('aws').naming.getStackName();
        const { deploymentBucket } = serverless.service.provider;
        const { hasCanaryPods } = { ...serverless.service.custom?.settings };
        process.stderr.write(
          `
What stays when ${stackName} is removed:
- what you or npm run setup created: the parameter or secret with the Runpod key, the Runpod credential and the token in it, which ends within 12 hours and is no longer replaced (npm run setup -- --undo takes back what setup did);
- the two KMS keys for seven days, in which their deletion can be cancelled, and each key that a deploy has replaced, until you delete it;
- what CloudWatch and X-Ray have measured, until it expires${
            deploymentBucket ? `;\n- the bucket ${deploymentBucket}, without what was deployed through it` : ''
          }${
            hasCanaryPods
              ? `;\n- a canary pod that is there at this moment, which costs until you terminate it in the Runpod console: its name begins with ${stackName}_`
              : ''
          }.
Rollouts that are under way end within a minute or two, and leave their endpoints on one of two images: npm run rollout shows which. Put the earlier one back by hand where the new one does not work.
Functions, roles, topics, alarms, the queue with what lies in it, and all logs go.

`,
        );
      },
    };
  }
};
