/**
 * Gives every role of the stack, by whatever file it came, its path, and the permissions boundary that an account demands: a role
 * that is added later has them, too. CloudFormation makes up names and cuts them short, but no name has a slash, so the path
 * says exactly which roles are a stage's: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
 */
module.exports = class EveryRole {
  constructor(serverless) {
    this.hooks = {
      'after:aws:package:finalize:mergeCustomProviderResources': () => {
        const { service, provider, custom } = serverless.service;
        const { permissionsBoundary } = custom.settings;
        const Path = `/${service}/${serverless.getProvider('aws').getStage()}/`;
        for (const { Type, Properties } of Object.values(provider.compiledCloudFormationTemplate.Resources)) {
          if (Type !== 'AWS::IAM::Role') continue;
          Properties.Path = Path;
          if (permissionsBoundary !== undefined) Properties.PermissionsBoundary = permissionsBoundary;
        }
      },
    };
  }
};
