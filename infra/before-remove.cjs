const refuse = async (serverless, provider, stackName) => {
  if (serverless.service.custom?.stopRunning === 'yes') return;
  const { refuseWithRolloutsUnderWay } = await import('./under-way.ts');
  const configuration = { ...(await provider.getAwsSdkV3Config()), region: provider.getRegion() };
  try {
    await refuseWithRolloutsUnderWay({ stackName, what: 'removing it', command: 'serverless remove' }, configuration);
  } catch (error) {
    throw error.name === 'ConfigurationError' ? new serverless.classes.Error(error.message) : error;
  }
};

/** Says what `serverless remove` leaves, before it begins (docs/upgrading.md), and stops while a rollout is under way. */
module.exports = class BeforeRemove {
  constructor(serverless) {
    this.hooks = {
      'before:remove:remove': async () => {
        const provider = serverless.getProvider('aws');
        const stackName = provider.naming.getStackName();
        await refuse(serverless, provider, stackName);
        const { deploymentBucket } = serverless.service.provider;
        const { hasCanaryPods, hasRollouts } = { ...serverless.service.custom?.settings };
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
          }${
            hasRollouts
              ? ';\n- endpoints that follow what is pushed on the images that they have, and nobody watches any more whether one works that was not proven yet'
              : ''
          }.
Functions, roles, topics, alarms, the queue with what lies in it, and all logs go.

`,
        );
      },
    };
  }
};
