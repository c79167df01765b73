/** Takes what rolls out images out of a stack whose targets.yml has no rollout: see without-rollouts.ts. */
module.exports = class WithoutRollouts {
  constructor(serverless) {
    this.hooks = {
      initialize: async () => {
        const { functions, resources, custom } = serverless.service;
        if (custom.settings.hasRollouts) return;
        const { rolloutFunctions, withoutRollouts } = await import('./without-rollouts.ts');
        for (const name of rolloutFunctions) delete functions[name];
        serverless.service.resources = withoutRollouts(resources);
      },
    };
  }
};
