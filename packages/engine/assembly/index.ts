/** Entry of the embedded engine's own kernels. Tensors are byte offsets into the heap shared with TensorFlow.js' module. */
export { setScratch } from './scratch';
export { run, work } from './threads';
