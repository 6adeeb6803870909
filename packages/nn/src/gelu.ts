/** GELU: Hendrycks and Gimpel, arXiv 1606.08415v5: x·Φ(x), by the error function or by its tanh approximation. */
import { gelu, type GeluKind } from '@unlabel/engine';
import { stateless, type Layer } from './layer.ts';

export { gelu, type GeluKind };

export const geluLayer = (kind: GeluKind = 'erf'): Layer => stateless((x) => gelu(x, kind));
