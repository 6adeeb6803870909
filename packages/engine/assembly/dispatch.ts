/** Operations by number; `src/wasm/kernels.ts` has the same list. */
import { convolve, convolveFilterGrad, packFilterTransposed, sumPartials } from './conv';
import { adamW, reluGrad, seededDropout, sgdMomentum } from './elementwise';
import { gemm, gemmFlat, gemmSmall, packB } from './gemm';
import {
  moments,
  momentsCombine,
  normGradApply,
  normGradCombine,
  normGradSums,
  normalize,
  scaleAndShift,
} from './norm';
import { poolForward, poolGradApply, poolGradSums } from './pool';
import { columnSums, columnSumsCombine, maxMeanTime, maxMeanTimeGrad, rowSums } from './reduce';
import { maxPoolGrad } from './max-pool';
import { listNonZeros, packStrips, sparseDots, sparseProduct } from './sparse';

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
    case 7:
      moments(d, chunk);
      break;
    case 8:
      momentsCombine(d, chunk);
      break;
    case 9:
      scaleAndShift(d, chunk);
      break;
    case 10:
      normalize(d, chunk);
      break;
    case 11:
      normGradSums(d, chunk);
      break;
    case 12:
      normGradCombine(d, chunk);
      break;
    case 13:
      normGradApply(d, chunk);
      break;
    case 14:
      poolForward(d, chunk);
      break;
    case 15:
      poolGradSums(d, chunk);
      break;
    case 16:
      poolGradApply(d, chunk);
      break;
    case 17:
      columnSums(d, chunk);
      break;
    case 18:
      columnSumsCombine(d, chunk);
      break;
    case 19:
      rowSums(d, chunk);
      break;
    case 20:
      maxMeanTime(d, chunk);
      break;
    case 21:
      maxMeanTimeGrad(d, chunk);
      break;
    case 22:
      sgdMomentum(d, chunk);
      break;
    case 23:
      seededDropout(d, chunk);
      break;
    case 24:
      reluGrad(d, chunk);
      break;
    case 25:
      gemmFlat(d, chunk);
      break;
    case 26:
      adamW(d, chunk);
      break;
    case 27:
      maxPoolGrad(d, chunk);
      break;
    case 28:
      packStrips(d, chunk);
      break;
    case 29:
      listNonZeros(d, chunk);
      break;
    case 30:
      sparseProduct(d, chunk);
      break;
    case 31:
      sparseDots(d, chunk);
      break;
    default:
      unreachable();
  }
}
