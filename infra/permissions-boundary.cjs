/**
 * Puts the permissions boundary that an account demands on every role of the stack, by whatever file it came: a role that
 * somebody adds later has it, too.
 */
module.exports = class PermissionsBoundary {
  constructor(serverless) {
    this.hooks = {
      'after:aws:package:finalize:mergeCustomProviderResources': () => {
        const { permissionsBoundary } = serverless.service.custom.settings;
        if (permissionsBoundary === undefined) return;
        for (const { Type, Properties } of Object.values(
          serverless.service.provider.compiledCloudFormationTemplate.Resources,
        )) {
          if (Type === 'AWS::IAM::Role') Properties.PermissionsBoundary = permissionsBoundary;
        }
      },
    };
  }
};
