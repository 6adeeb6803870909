// Softmax attention (Vaswani et al., arXiv 1706.03762v7, Eq. 1) with a bias that each query may gate, a mask of keys and dropout of the
// weights. A block of queries at a time, so that scores never leave the cache: the weights of all queries are not made, and the backward
// pass computes them again from the logarithm of each row's sum (as Dao et al., arXiv 2205.14135v2, without their blocks of keys).
//
// Legend: B rows, N queries, M keys, H heads, d width of a head, D = H·d.
#include <algorithm>
#include <cmath>
#include <vector>

#include "bfloat16_gemm.h"
#include "op.h"
#include "parallel.h"
#include "scratch.h"
#include "small_gemm.h"
#include "vector_math.h"

namespace unlabel {
namespace {

constexpr int64_t kBlock = 48;  // queries at a time: a multiple of a tile's six rows

// Everything one row of scores is made of beside the product.
struct Row {
  float scale;
  float gate;         // of the bias
  const float* bias;  // [M], or nullptr
  const float* mask;  // [M], added, or nullptr
  bool drops;
  uint32_t base, threshold, first;  // of the dropout hash; first: flat index of the row's first weight
  float keep;                       // 1/(1 − rate)
};

inline __attribute__((always_inline)) void Score(const Row& row, int64_t keys, float* __restrict__ s) {
  const float scale = row.scale, gate = row.gate;
  const float *__restrict__ bias = row.bias, *__restrict__ mask = row.mask;
  if (bias != nullptr) {
    for (int64_t m = 0; m < keys; m++) s[m] = scale * s[m] + gate * bias[m];
  } else {
    for (int64_t m = 0; m < keys; m++) s[m] *= scale;
  }
  if (mask != nullptr) {
    for (int64_t m = 0; m < keys; m++) s[m] += mask[m];
  }
}

// to = from·(1/(1 − rate) where the hash of the index says so, else 0): the rule of the dropout operation.
inline __attribute__((always_inline)) void Drop(const Row& row, int64_t keys, const float* from, float* to) {
  const uint32_t base = row.base, first = row.first, threshold = row.threshold;
  const float keep = row.keep;
  for (int64_t m = 0; m < keys; m++) {
    uint32_t h = base + (first + static_cast<uint32_t>(m)) * 0x9e3779b9u;
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    h = h ^ (h >> 16);
    const float kept = from[m] * keep;
    to[m] = h >= threshold ? kept : 0;
  }
}

// Products q·k → weights; returns log Σ exp(score).
UNLABEL_SIMD float SoftmaxRow(const Row& row, int64_t keys, float* __restrict__ s) {
  Score(row, keys, s);
  const float most = MaxOf(s, keys);
  for (int64_t m = 0; m < keys; m++) s[m] = Exp(s[m] - most);
  const float sum = SumOf(s, keys);
  const float share = 1.0f / sum;
  for (int64_t m = 0; m < keys; m++) s[m] *= share;
  if (row.drops) Drop(row, keys, s, s);
  return most + std::log(sum);
}

// Products s = q·k and g = dy·v of a row → g = scale·dScore, and `dropped`, the weights that v was summed with (s itself without dropout).
// Adds the bias' gradient; returns the gate's.
UNLABEL_SIMD float GradientRow(const Row& row, float log_sum, int64_t keys, float* __restrict__ s, float* __restrict__ g,
                               float* __restrict__ dropped, float* __restrict__ d_bias) {
  Score(row, keys, s);
  for (int64_t m = 0; m < keys; m++) s[m] = Exp(s[m] - log_sum);
  if (row.drops) {
    Drop(row, keys, s, dropped);
    Drop(row, keys, g, g);
  }
  const float along = DotOf(s, g, keys);
  for (int64_t m = 0; m < keys; m++) g[m] = s[m] * (g[m] - along);
  float d_gate = 0;
  if (row.bias != nullptr) {
    const float gate = row.gate;
    d_gate = DotOf(g, row.bias, keys);
    for (int64_t m = 0; m < keys; m++) d_bias[m] += gate * g[m];
  }
  const float scale = row.scale;
  for (int64_t m = 0; m < keys; m++) g[m] *= scale;
  return d_gate;
}

// The inputs and where a head of a row of the batch lies in them.
struct Call {
  int64_t batch, queries, keys, heads, size, width;  // size: d, width: D
  int64_t q_stride, k_stride;                        // floats from one token to the next
  const float *q, *k, *v, *bias, *gate, *mask;
  int64_t bias_stride;  // floats from one row of the batch to the next, 0 when they share it
  bool drops = false;
  uint32_t base = 0, threshold = 0;
  float scale, keep;

  Row RowOf(int64_t b, int64_t h, int64_t n) const {
    const float* held = bias == nullptr ? nullptr : bias + b * bias_stride + (h * queries + n) * keys;
    return {scale,
            gate == nullptr ? 1.0f : gate[(b * queries + n) * heads + h],
            held,
            mask == nullptr ? nullptr : mask + b * keys,
            drops,
            base,
            threshold,
            static_cast<uint32_t>(((b * heads + h) * queries + n) * keys),
            keep};
  }
  int64_t QueryAt(int64_t b, int64_t h, int64_t n) const { return (b * queries + n) * q_stride + h * size; }
  int64_t KeyAt(int64_t b, int64_t h) const { return b * keys * k_stride + h * size; }
  int64_t OutputAt(int64_t b, int64_t h, int64_t n) const { return (b * queries + n) * width + h * size; }
};

inline uint32_t Mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

const float* Optional(Context& context, int i) { return SizeOf(context.InputShape(i)) == 0 ? nullptr : context.Input(i); }

// Inputs 0–6: q [B, N, D], k, v [B, M, D] (packed: q [B, N, 3·D], k and v not looked at), bias [H, N, M] or [B, H, N, M], gate [B, N, H],
// mask [B, M], seed [2] int32; the last four may be empty.
bool Read(const Attributes& attributes, Context& context, Call* call) {
  const Shape q = context.InputShape(0), k = context.InputShape(attributes.packed ? 0 : 1);
  const Shape v = context.InputShape(attributes.packed ? 0 : 2);
  const int64_t parts = attributes.packed ? 3 : 1;
  if (!context.Check(q.size() == 3 && k.size() == 3 && k == v && q[0] == k[0] && q[2] == k[2] && SizeOf(q) > 0 &&
                         SizeOf(k) > 0 && attributes.heads > 0 && q[2] % (parts * attributes.heads) == 0,
                     "attention: q must be [B, N, D], k and v [B, M, D], D a multiple of heads, none empty")) {
    return false;
  }
  if (!context.Check(!attributes.in_bfloat16 || HasBfloat16(), "attention: this engine multiplies no bfloat16")) return false;
  call->batch = q[0], call->queries = q[1], call->keys = k[1], call->heads = attributes.heads;
  call->width = q[2] / parts, call->size = call->width / attributes.heads;
  call->q_stride = call->k_stride = q[2];
  call->q = context.Input(0);
  call->k = attributes.packed ? call->q + call->width : context.Input(1);
  call->v = attributes.packed ? call->q + 2 * call->width : context.Input(2);
  call->bias = Optional(context, 3), call->gate = Optional(context, 4), call->mask = Optional(context, 5);
  const int64_t scores = call->heads * call->queries * call->keys, biases = SizeOf(context.InputShape(3));
  call->bias_stride = biases == scores ? 0 : scores;
  call->scale = attributes.scale, call->keep = attributes.keep;
  call->drops = SizeOf(context.InputShape(6)) != 0;
  if (call->drops) {
    if (!context.Check(SizeOf(context.InputShape(6)) == 2, "attention: seed must have two elements")) return false;
    call->base = Mix(static_cast<uint32_t>(context.IntInput(6)[0]));
    call->threshold = static_cast<uint32_t>(context.IntInput(6)[1]);
  }
  const int64_t gates = SizeOf(context.InputShape(4)), masks = SizeOf(context.InputShape(5));
  return context.Check((biases == 0 || biases == scores || biases == scores * call->batch) &&
                           (gates == 0 || gates == call->batch * call->queries * call->heads) &&
                           (masks == 0 || masks == call->batch * call->keys),
                       "attention: bias, gate or mask does not fit q and k");
}

// How products are computed. Panels are what the right operand is packed into; both kinds take four bytes a number.
struct InFloat32 {
  static int64_t Size(int64_t k, int64_t n) { return PanelSize(k, n); }
  static void Pack(const Strided& b, int64_t k, int64_t n, float* panels) {
    PackPanels(b.data, b.row_stride, b.column_stride, k, n, panels);
  }
  static void Product(const Strided& a, const float* panels, int64_t m, int64_t n, int64_t k, float* c, int64_t ldc, bool add) {
    Multiply(a.data, a.row_stride, a.column_stride, panels, m, n, k, c, ldc, add);
  }
};

struct InBfloat16 {
  static int64_t Size(int64_t k, int64_t n) { return PairPanelsSize(k, n); }
  static void Pack(const Strided& b, int64_t k, int64_t n, float* panels) {
    PackPairPanels(b, k, n, reinterpret_cast<uint32_t*>(panels));
  }
  static void Product(const Strided& a, const float* panels, int64_t m, int64_t n, int64_t k, float* c, int64_t ldc, bool add) {
    uint32_t* rows = Scratch<uint32_t>(RowsSize(m, k));
    PackRows(a, m, k, rows);
    MultiplyPairs(rows, reinterpret_cast<const uint32_t*>(panels), m, n, k, c, ldc, {nullptr, false, add});
  }
};

template <typename In>
void ForwardHead(const Call& call, int64_t b, int64_t h, float* y, float* log_sums) {
  const int64_t keys = call.keys, size = call.size;
  const int64_t k_panels = In::Size(size, keys), v_panels = In::Size(keys, size);
  float* k = Scratch<float>(k_panels + v_panels + kBlock * keys);
  float *v = k + k_panels, *s = v + v_panels;
  In::Pack({call.k + call.KeyAt(b, h), 1, call.k_stride}, size, keys, k);
  In::Pack({call.v + call.KeyAt(b, h), call.k_stride, 1}, keys, size, v);
  for (int64_t n = 0; n < call.queries; n += kBlock) {
    const int64_t count = call.queries - n < kBlock ? call.queries - n : kBlock;
    In::Product({call.q + call.QueryAt(b, h, n), call.q_stride, 1}, k, count, keys, size, s, keys, false);
    for (int64_t i = 0; i < count; i++) {
      log_sums[(b * call.heads + h) * call.queries + n + i] = SoftmaxRow(call.RowOf(b, h, n + i), keys, s + i * keys);
    }
    In::Product({s, keys, 1}, v, count, size, keys, y + call.OutputAt(b, h, n), call.width, false);
  }
}

// {q, k, v, bias, gate, mask, seed} -> [y [B, N, D], logSum [B, H, N]]
void Attention(const Attributes& attributes, Context& context) {
  Call call;
  if (!Read(attributes, context, &call)) return;
  float* y = context.Output(0, {call.batch, call.queries, call.width});
  float* log_sums = context.Output(1, {call.batch, call.heads, call.queries});
  if (y == nullptr || log_sums == nullptr) return;
  const auto head = attributes.in_bfloat16 ? ForwardHead<InBfloat16> : ForwardHead<InFloat32>;
  ParallelFor(call.batch * call.heads, [&](int64_t i) { head(call, i / call.heads, i % call.heads, y, log_sums); });
}

struct Gradients {
  const float *log_sums, *dy;
  float *dq, *dk, *dv, *d_bias, *d_gate;
};

template <typename In>
void BackwardHead(const Call& call, const Gradients& to, int64_t b, int64_t h) {
  const int64_t keys = call.keys, size = call.size;
  const int64_t wide = In::Size(size, keys), tall = In::Size(keys, size), block = In::Size(kBlock, size);
  const int64_t scores = kBlock * keys;
  float* scratch = Scratch<float>(2 * wide + tall + 2 * block + 3 * scores);
  float *k = scratch, *v = k + wide, *k_rows = v + wide, *q_block = k_rows + tall, *dy_block = q_block + block;
  float *s = dy_block + block, *g = s + scores, *dropped = g + scores;
  const int64_t key_at = call.KeyAt(b, h);
  In::Pack({call.k + key_at, 1, call.k_stride}, size, keys, k);
  In::Pack({call.v + key_at, 1, call.k_stride}, size, keys, v);
  In::Pack({call.k + key_at, call.k_stride, 1}, keys, size, k_rows);
  for (int64_t n = 0; n < call.queries; n += kBlock) {
    const int64_t count = call.queries - n < kBlock ? call.queries - n : kBlock;
    const Strided q{call.q + call.QueryAt(b, h, n), call.q_stride, 1};
    const Strided dy{to.dy + call.OutputAt(b, h, n), call.width, 1};
    In::Product(q, k, count, keys, size, s, keys, false);
    In::Product(dy, v, count, keys, size, g, keys, false);
    for (int64_t i = 0; i < count; i++) {
      const Row row = call.RowOf(b, h, n + i);
      float* d_bias = row.bias == nullptr ? nullptr : to.d_bias + (row.bias - call.bias);
      const float d_gate = GradientRow(row, to.log_sums[(b * call.heads + h) * call.queries + n + i], keys, s + i * keys,
                                       g + i * keys, dropped + i * keys, d_bias);
      if (call.gate != nullptr) to.d_gate[(b * call.queries + n + i) * call.heads + h] = d_gate;
    }
    const bool adds = n > 0;
    In::Pack(dy, count, size, dy_block);
    In::Product({call.drops ? dropped : s, 1, keys}, dy_block, keys, size, count, to.dv + key_at, call.k_stride, adds);
    In::Pack(q, count, size, q_block);
    In::Product({g, 1, keys}, q_block, keys, size, count, to.dk + key_at, call.k_stride, adds);
    In::Product({g, keys, 1}, k_rows, count, size, keys, to.dq + call.QueryAt(b, h, n), call.q_stride, false);
  }
}

// {q, k, v, bias, gate, mask, seed, logSum, dy} -> [dq, dk, dv (both empty when packed), dBias, dGate (empty without)]
void AttentionGrad(const Attributes& attributes, Context& context) {
  Call call;
  if (!Read(attributes, context, &call)) return;
  if (!context.Check(SizeOf(context.InputShape(7)) == call.batch * call.heads * call.queries &&
                         context.InputShape(8) == Shape({call.batch, call.queries, call.width}),
                     "attention gradient: logSum must be [B, H, N], dy [B, N, D]")) {
    return;
  }
  const bool packed = attributes.packed;
  Gradients to{context.Input(7), context.Input(8)};
  to.dq = context.Output(0, context.InputShape(0));
  to.dk = context.Output(1, packed ? Shape{0} : context.InputShape(1));
  to.dv = context.Output(2, packed ? Shape{0} : context.InputShape(2));
  to.d_bias = context.Output(3, context.InputShape(3));
  to.d_gate = context.Output(4, context.InputShape(4));
  if (to.dq == nullptr) return;
  if (packed) to.dk = to.dq + call.width, to.dv = to.dq + 2 * call.width;
  const auto head = attributes.in_bfloat16 ? BackwardHead<InBfloat16> : BackwardHead<InFloat32>;
  const int64_t heads = call.heads;
  if (call.bias == nullptr || call.bias_stride != 0) {
    std::fill(to.d_bias, to.d_bias + SizeOf(context.InputShape(3)), 0.0f);
    ParallelFor(call.batch * heads, [&](int64_t i) { head(call, to, i / heads, i % heads); });
    return;
  }
  // The batch shares the bias: each head sums its gradient over the batch in order.
  const int64_t plane = call.queries * call.keys;
  ParallelFor(heads, [&](int64_t h) {
    std::fill(to.d_bias + h * plane, to.d_bias + (h + 1) * plane, 0.0f);
    for (int64_t b = 0; b < call.batch; b++) head(call, to, b, h);
  });
}

}  // namespace

void RegisterAttention() {
  const std::vector<const char*> inputs = {"q: float",    "k: float",    "v: float",   "bias: float",
                                           "gate: float", "mask: float", "seed: int32"};
  std::vector<const char*> with_gradient = inputs;
  with_gradient.insert(with_gradient.end(), {"log_sum: float", "dy: float"});
  const std::vector<const char*> attributes = {"heads: int", "scale: float", "keep: float", "packed: bool",
                                               "inBfloat16: bool"};
  Register<Attention>({"UnlabelAttention", inputs, {"y: float", "log_sum: float"}, attributes});
  Register<AttentionGrad>({"UnlabelAttentionGrad",
                           with_gradient,
                           {"dq: float", "dk: float", "dv: float", "d_bias: float", "d_gate: float"},
                           attributes});
}

}  // namespace unlabel
