/** Operations by number; `src/wasm/operations.ts` has the same list. */
import { convolve, convolveFilterGrad, packFilterTransposed, sumPartials } from './conv';
import { gemm, gemmSmall, packB } from './gemm';

export function dispatch(operation: i32, d: usize, chunk: i32): void {
  switch (operation) {
    case 0:
      packB(d, chunk);
      break;
    case 1:
      gemm(d, chunk);
      break;
    case 2:
      gemmSmall(d, chunk);
      break;
    case 3:
      convolve(d, chunk);
      break;
    case 4:
      convolveFilterGrad(d, chunk);
      break;
    case 5:
      sumPartials(d, chunk);
      break;
    case 6:
      packFilterTransposed(d, chunk);
      break;
    default:
      unreachable();
  }
}
