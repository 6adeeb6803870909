/** Parameters of an operation: a table of 32-bit words. */
export function param(d: usize, index: usize): i32 {
  return load<i32>(d + (index << 2));
}

export function floatParam(d: usize, index: usize): f32 {
  return load<f32>(d + (index << 2));
}
