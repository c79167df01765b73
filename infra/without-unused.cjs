/** Takes out of a stack what its targets.yml does not ask for, rollouts and canary pods: see without-unused.ts. */
module.exports = class WithoutUnused {
  constructor(serverless) {
    this.hooks = {
      initialize: async () => {
        const { functions, resources, custom } = serverless.service;
        const { unusedFunctions, withoutUnused } = await import('./without-unused.ts');
        for (const name of unusedFunctions(custom.settings)) delete functions[name];
        serverless.service.resources = withoutUnused(resources, custom.settings);
      },
    };
  }
};
