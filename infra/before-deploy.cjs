/** Looks at the deployed stack before `serverless deploy` replaces it: see before-deploy.ts. */
module.exports = class BeforeDeploy {
  constructor(serverless) {
    this.hooks = {
      'before:aws:deploy:deploy:createStack': async () => {
        const { beforeDeployToAws } = await import('./before-deploy.ts');
        const provider = serverless.getProvider('aws');
        try {
          await beforeDeployToAws(
            {
              stackName: provider.naming.getStackName(),
              template: serverless.service.provider.compiledCloudFormationTemplate,
              isExample: serverless.service.custom.settings.isExample,
              dropListeners: serverless.service.custom.dropListeners === 'yes',
              stopRunning: serverless.service.custom.stopRunning === 'yes',
              print: (text) => process.stderr.write(text),
            },
            { ...(await provider.getAwsSdkV3Config()), region: provider.getRegion() },
          );
        } catch (error) {
          // Of `serverless`'s own errors it prints the sentence alone; of all others the stack trace.
          throw error.name === 'ConfigurationError' ? new serverless.classes.Error(error.message) : error;
        }
      },
    };
  }
};
