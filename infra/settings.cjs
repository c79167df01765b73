/** Ends with a sentence: `serverless` would wrap whatever is thrown here in stack traces of its own. */
const end = (sentence) => {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
};

/** What serverless.yml needs to know of targets.yml. */
module.exports = async ({ options, resolveVariable }) => {
  const { neededNode } = await import('./needed-node.mjs');
  if (neededNode !== undefined) end(neededNode);
  const { paramNames, readStackSettings } = await import('./settings.ts');
  const params = {};
  // Every one that is given, so that a misspelt one is refused; and the known ones as `serverless` resolves them.
  for (const given of [options.param ?? []].flat()) params[given.split('=', 1)[0]] = 'given';
  for (const name of paramNames) params[name] = await resolveVariable(`param:${name}, ''`);
  const stage = await resolveVariable('sls:stage');
  const region = await resolveVariable("opt:region, env:AWS_REGION, 'us-east-1'");
  const isDeploy = process.argv.slice(2).some((word) => word === 'deploy');
  try {
    return readStackSettings({ folder: `${__dirname}/..`, isDeploy, params, place: { stage, region } });
  } catch (error) {
    if (error.name !== 'ConfigurationError') throw error;
    end(error.message);
  }
};
