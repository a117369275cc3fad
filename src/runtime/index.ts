export { bindShape, type HostArrays, type HostData, type HostTensor } from './host-tensor.ts';
export { compile, Program, type CompileOptions, type Feeds } from './program.ts';
export type { EngineName } from './session.ts';
