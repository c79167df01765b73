/**
 * Makes the state machine call the published version of each function rather than whatever is deployed last: a run that
 * is under way when somebody deploys then ends with the code it began with.
 *
 * serverless names a version by its code's hash, which no template can know in advance; so the substitutions name the
 * functions, and this points them at the versions once those are known.
 */
module.exports = class PinVersions {
  constructor(serverless) {
    this.hooks = {
      'after:aws:package:finalize:mergeCustomProviderResources': () =>
        pin(serverless.service.provider.compiledCloudFormationTemplate),
    };
  }
};

const pin = ({ Resources: resources }) => {
  const versions = new Map(
    Object.entries(resources)
      .filter(([, { Type }]) => Type === 'AWS::Lambda::Version')
      .map(([id, { Properties }]) => [Properties.FunctionName.Ref, id]),
  );
  for (const { Type, Properties } of Object.values(resources)) {
    if (Type !== 'AWS::StepFunctions::StateMachine') continue;
    for (const [name, value] of Object.entries(Properties.DefinitionSubstitutions)) {
      const [functionId, attribute] = value['Fn::GetAtt'] ?? [];
      if (attribute !== 'Arn' || resources[functionId]?.Type !== 'AWS::Lambda::Function') continue;
      const version = versions.get(functionId);
      if (version === undefined) throw new Error(`${functionId} has no published version to pin ${name} to.`);
      Properties.DefinitionSubstitutions[name] = { Ref: version };
    }
  }
};
