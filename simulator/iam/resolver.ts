/** References within a template, as CloudFormation resolves them: "Intrinsic function reference". */
import { isRecord, namesByType, type Place, suffixOf, urlSuffixOf } from './names.ts';

export interface TemplateOptions extends Place {
  /** Names that CloudFormation makes up begin with it. */
  readonly stackName?: string;
  /** The template's parameters, where they differ from their defaults. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Documents of managed policies that roles name and the template does not have, by ARN. */
  readonly managedPolicies?: Readonly<Record<string, unknown>>;
}

/** A resource as it is deployed. */
export interface DeployedResource {
  readonly logicalId: string;
  readonly type: string;
  /** What `Ref` gives. */
  readonly ref: string;
  readonly arn: string | undefined;
  /** What `Fn::GetAtt` gives. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly properties: Readonly<Record<string, unknown>>;
}

const noValue = Symbol('AWS::NoValue');

/** A template's resources, outputs and values. What it names and this does not know is an error. */
export class Resolver {
  readonly #options: TemplateOptions;
  readonly #template: Record<string, unknown>;
  readonly #deployed = new Map<string, DeployedResource>();
  readonly #underWay = new Set<string>();

  constructor(template: unknown, options: TemplateOptions) {
    if (!isRecord(template) || !isRecord(template.Resources)) throw new Error('This is no CloudFormation template.');
    this.#template = template;
    this.#options = options;
  }

  #section(name: string): Record<string, unknown> {
    const section = this.#template[name];
    return isRecord(section) ? section : {};
  }

  resources(): ReadonlyMap<string, DeployedResource> {
    for (const [id, resource] of Object.entries(this.#section('Resources'))) {
      const condition = isRecord(resource) ? resource.Condition : undefined;
      if (typeof condition !== 'string' || this.#isTrue({ Condition: condition })) this.#deploy(id);
    }
    return this.#deployed;
  }

  outputs(): Record<string, unknown> {
    const outputs = Object.entries(this.#section('Outputs')).flatMap(([name, output]) => {
      if (!isRecord(output)) throw new Error(`The output ${name} is no object.`);
      const { Condition, Value } = output;
      return Condition === undefined || this.#isTrue({ Condition }) ? [[name, this.resolve(Value)]] : [];
    });
    return Object.fromEntries(outputs);
  }

  #deploy(id: string): DeployedResource {
    const done = this.#deployed.get(id);
    if (done !== undefined) return done;
    const resource = this.#section('Resources')[id];
    if (!isRecord(resource) || typeof resource.Type !== 'string')
      throw new Error(`The template has no resource ${id}.`);
    const { Type: type, Properties = {} } = resource;
    const names = Object.hasOwn(namesByType, type) ? namesByType[type] : undefined;
    if (names === undefined) throw new Error(`${id}: the simulator knows no resource of type ${type}.`);
    if (this.#underWay.has(id)) throw new Error(`${id} depends on itself.`);
    this.#underWay.add(id);
    const properties = this.resolve(Properties);
    if (!isRecord(properties)) throw new Error(`${id}: its properties are no object.`);
    const { stackName = 'stack', account, region, partition } = this.#options;
    const text = (property: string): string => {
      const value = properties[property];
      if (typeof value !== 'string') throw new Error(`${id}: its ${property} is no text.`);
      return value;
    };
    const {
      ref,
      attributes = {},
      arn: ownArn = attributes.Arn,
    } = names({
      properties,
      text,
      name: (property) =>
        properties[property] === undefined
          ? `${stackName.slice(0, 24)}-${id.slice(0, 24)}-${suffixOf(id, 12)}`
          : text(property),
      arn: (service, rest) => `arn:${partition}:${service}:${region}:${account}:${rest}`,
      globalArn: (service, rest) => `arn:${partition}:${service}::${account}:${rest}`,
      id,
      place: this.#options,
    });
    const deployed = { logicalId: id, type, ref, arn: ownArn, attributes, properties };
    this.#underWay.delete(id);
    this.#deployed.set(id, deployed);
    return deployed;
  }

  #ref(name: string): unknown {
    const { account, region, partition, stackName = 'stack', parameters = {} } = this.#options;
    switch (name) {
      case 'AWS::AccountId':
        return account;
      case 'AWS::Region':
        return region;
      case 'AWS::Partition':
        return partition;
      case 'AWS::URLSuffix':
        return urlSuffixOf(partition);
      case 'AWS::StackName':
        return stackName;
      case 'AWS::StackId':
        return `arn:${partition}:cloudformation:${region}:${account}:stack/${stackName}/00000000-0000-4000-8000-000000000000`;
      case 'AWS::NoValue':
        return noValue;
      default: {
        const parameter = this.#section('Parameters')[name];
        if (!isRecord(parameter)) return this.#deploy(name).ref;
        const value = parameters[name] ?? parameter.Default;
        if (value === undefined) throw new Error(`The template's parameter ${name} has no value.`);
        return value;
      }
    }
  }

  #attribute(id: string, name: string): string {
    const { type, attributes } = this.#deploy(id);
    const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
    if (value === undefined) throw new Error(`${id}: the simulator knows no attribute ${name} of ${type}.`);
    return value;
  }

  #text(value: unknown): string {
    const resolved = this.resolve(value);
    if (typeof resolved === 'string') return resolved;
    if (typeof resolved === 'number' || typeof resolved === 'boolean') return String(resolved);
    throw new Error(`This gives no text: ${JSON.stringify(value)}`);
  }

  #list(value: unknown): unknown[] {
    const resolved = this.resolve(value);
    if (!Array.isArray(resolved)) throw new Error(`This gives no list: ${JSON.stringify(value)}`);
    return resolved;
  }

  #substitute(value: unknown): string {
    const [text, variables] = Array.isArray(value) ? value : [value, {}];
    if (typeof text !== 'string' || !isRecord(variables)) throw new Error(`No Fn::Sub: ${JSON.stringify(value)}`);
    return text.replace(/\$\{([^}]*)\}/g, (_, name: string) => {
      if (name.startsWith('!')) return `\${${name.slice(1)}}`;
      if (Object.hasOwn(variables, name)) return this.#text(variables[name]);
      const [id = '', ...attribute] = name.trim().split('.');
      return attribute.length === 0 ? this.#text({ Ref: id }) : this.#attribute(id, attribute.join('.'));
    });
  }

  #isTrue(value: unknown): boolean {
    if (isRecord(value)) {
      const [[name, argument] = []] = Object.entries(value);
      switch (name) {
        case 'Condition':
          if (typeof argument !== 'string' || !Object.hasOwn(this.#section('Conditions'), argument)) {
            throw new Error(`The template has no condition ${String(argument)}.`);
          }
          return this.#isTrue(this.#section('Conditions')[argument]);
        case 'Fn::Equals': {
          const [one, other] = this.#list(argument);
          return String(one) === String(other);
        }
        case 'Fn::Not':
          return Array.isArray(argument) && !this.#isTrue(argument[0]);
        case 'Fn::And':
          return Array.isArray(argument) && argument.every((each) => this.#isTrue(each));
        case 'Fn::Or':
          return Array.isArray(argument) && argument.some((each) => this.#isTrue(each));
      }
    }
    throw new Error(`The simulator knows no such condition: ${JSON.stringify(value)}`);
  }

  #intrinsic(name: string, argument: unknown): unknown {
    switch (name) {
      case 'Ref':
        return this.#ref(String(argument));
      case 'Fn::GetAtt': {
        const [id = '', ...attribute] = Array.isArray(argument) ? argument.map(String) : String(argument).split('.');
        return this.#attribute(id, attribute.join('.'));
      }
      case 'Fn::Sub':
        return this.#substitute(argument);
      case 'Fn::Join': {
        const [separator, parts] = Array.isArray(argument) ? argument : [];
        return this.#list(parts)
          .map((part) => this.#text(part))
          .join(String(separator));
      }
      case 'Fn::Split': {
        const [separator, text] = Array.isArray(argument) ? argument : [];
        return this.#text(text).split(String(separator));
      }
      case 'Fn::Select': {
        const [index, from] = Array.isArray(argument) ? argument : [];
        const list = this.#list(from);
        if (!(Number(index) in list)) throw new Error(`Fn::Select finds no element ${String(index)}.`);
        return list[Number(index)];
      }
      case 'Fn::If': {
        if (!Array.isArray(argument) || argument.length !== 3)
          throw new Error('Fn::If takes a condition and two values.');
        const [condition, yes, no] = argument;
        return this.resolve(this.#isTrue({ Condition: condition }) ? yes : no);
      }
      default:
        throw new Error(`The simulator knows no intrinsic function ${name}.`);
    }
  }

  resolve(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((each) => this.resolve(each)).filter((each) => each !== noValue);
    if (!isRecord(value)) return value;
    const entries = Object.entries(value);
    const [[name, argument] = []] = entries;
    if (name !== undefined && (name.startsWith('Fn::') || (name === 'Ref' && entries.length === 1))) {
      if (entries.length > 1) throw new Error(`${name} stands beside other keys.`);
      return this.#intrinsic(name, argument);
    }
    return Object.fromEntries(
      entries.map(([key, each]) => [key, this.resolve(each)]).filter(([, each]) => each !== noValue),
    );
  }
}
