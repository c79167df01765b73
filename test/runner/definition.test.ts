import { describe, expect, it } from 'vitest';
import { childrenOf, parseDefinition, readDefinition, statesOf } from '../../runner/definition.ts';

const nested = parseDefinition(`
StartAt: First
TimeoutSeconds: 60
States:
  First: { Type: Pass, Next: Outer }
  Outer:
    Type: Map
    ItemProcessor:
      ProcessorConfig: { Mode: DISTRIBUTED, ExecutionType: STANDARD }
      StartAt: Inner
      States:
        Inner:
          Type: Map
          ItemProcessor:
            ProcessorConfig: { Mode: INLINE }
            StartAt: Deepest
            States:
              Deepest: { Type: Pass, End: true }
          Next: After
        After: { Type: Pass, End: true }
    Next: Last
  Last: { Type: Succeed }
`);

describe('the states of a definition', () => {
  it('come in the order of the file, with the Maps that they are within', () => {
    expect([...statesOf(nested)].map(({ name, parents, path }) => [name, parents, path])).toEqual([
      ['First', [], 'First'],
      ['Outer', [], 'Outer'],
      ['Inner', ['Outer'], 'Outer/Inner'],
      ['Deepest', ['Outer', 'Inner'], 'Outer/Inner/Deepest'],
      ['After', ['Outer'], 'Outer/After'],
      ['Last', [], 'Last'],
    ]);
  });

  it('are a child’s where they are within the Distributed Map, at any depth', () => {
    expect(childrenOf(nested)).toEqual({ map: 'Outer', states: new Set(['Inner', 'Deepest', 'After']) });
    const { First, Last } = nested.States;
    expect(() => childrenOf({ ...nested, States: { ...(First && { First }), ...(Last && { Last }) } })).toThrow(
      'The state machine has no Distributed Map.',
    );
  });
});

describe('the definition that ships', () => {
  it('is read with its placeholders filled in', () => {
    const definition = readDefinition({ functionArn: (name) => `arn:${name}`, alertTopicArn: 'arn:alerts' });
    expect(JSON.stringify(definition)).not.toContain('${');
    const resources = new Map([...statesOf(definition)].map(({ name, state }) => [name, state.Resource]));
    expect(resources.get('VerifyImagePull')).toBe('arn:verify-image-pull');
    expect(resources.get('NotifyPlainly')).toBe('arn:aws:states:::sns:publish');
    expect(definition.States.NotifyPlainly).toMatchObject({ Parameters: { TopicArn: 'arn:alerts' } });
  });

  it('may repeat a rule more than a hundred times', () => {
    const aliases = Array.from({ length: 200 }, () => '*rule').join(', ');
    const many = parseDefinition(`States: { One: { Type: Pass, Retry: [&rule { MaxAttempts: 1 }, ${aliases}] } }`);
    expect(many.States.One?.Retry).toHaveLength(201);
  });
});
