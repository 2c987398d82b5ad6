/** A model as data: what to compute, no weights, no device, no batch size. JSON in, JSON out. */
export interface Graph {
  readonly format: 'millrace-graph/1';
  readonly name: string;
  /** Of one image, NHWC without N: [height, width, channels]. */
  readonly input: readonly [number, number, number];
  readonly nodes: readonly GraphNode[];
  /** Name of the node whose output is the logits. */
  readonly output: string;
}
export interface GraphNode {
  /** Unique; the prefix of its parameters' names: `layer1.0.conv1`. */
  readonly name: string;
  /** A registered op: `conv2d`. */
  readonly op: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** Names of nodes, or `input` for the images. */
  readonly inputs: readonly string[];
}
