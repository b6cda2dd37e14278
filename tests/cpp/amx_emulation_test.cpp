// The split GEMM on emulated tiles: the logic around the AMX unit, on any CPU.
#define PYSEQ_NS emulated
#define PYSEQ_REAL float
#define PYSEQ_AMX 1
#define PYSEQ_AMX_EMULATE 1
#include "kernels/activation.cpp"
#include "kernels/gemm.cpp"
#include "kernels/gemm_amx.cpp"
#include "kernels/gemm_micro.cpp"
#include "kernels/gemm_pack.cpp"
#include "kernels/gemm_small.cpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "check.h"
#include "core/team.h"
#include "pyseq/config.h"

namespace {

using namespace pyseq;
using namespace pyseq::emulated;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
std::mt19937 engine(3);

std::vector<float> random_floats(Index n) {
  std::vector<float> v(static_cast<std::size_t>(n));
  for (float& x : v) x = static_cast<float>(engine() / 4294967296.0 - 0.5);
  return v;
}

struct Product {
  Gemm g;
  std::vector<float> a, b, c, bias;
  std::vector<float> blocks;  // of B, if they are kept

  Product(Index m, Index n, Index k, bool ta, bool tb, bool accumulate)
      : a(random_floats(m * k)),
        b(random_floats(k * n)),
        c(random_floats(m * (n + 1))),
        bias(random_floats(n)) {
    g.m = m, g.n = n, g.k = k;
    g.a_row = ta ? 1 : k, g.a_col = ta ? m : 1;
    g.b_row = tb ? 1 : n, g.b_col = tb ? k : 1;
    g.ldc = n + 1;
    g.accumulate = accumulate;
    if (!accumulate) g.act.kind = kTanh;
  }
  float& at_a(Index i, Index k) { return a[static_cast<std::size_t>(i * g.a_row + k * g.a_col)]; }
  float& at_b(Index k, Index j) { return b[static_cast<std::size_t>(k * g.b_row + j * g.b_col)]; }
  std::vector<float> run(int threads = 1) {
    const GemmScratch s = gemm_scratch(g.m, g.n, g.k);
    std::vector<float> shared(static_cast<std::size_t>(s.fixed) + 1, 77),
        worker(static_cast<std::size_t>(s.per_worker * threads) + 1, 77), out = c;
    Gemm call = g;
    call.a = a.data(), call.b = b.data(), call.c = out.data();
    if (!blocks.empty()) {
      gemm_pack_blocks(nullptr, call, blocks.data());
      call.blocks = blocks.data();
    }
    if (!g.accumulate) call.bias = bias.data();
    with_team(threads,
              [&](Pool* pool) { gemm(pool, call, shared.data(), worker.data(), s.per_worker); });
    CHECK(shared.back() == 77 && worker.back() == 77);
    return out;
  }
  // Largest errors of `out` and of a plain float32 loop, before the activation.
  void errors(const std::vector<float>& out, double& ours, double& plain) {
    ours = plain = 0;
    for (Index i = 0; i < g.m; ++i)
      for (Index j = 0; j < g.n; ++j) {
        const std::size_t at = static_cast<std::size_t>(i * g.ldc + j);
        double exact = 0;
        float loop = 0;
        for (Index k = 0; k < g.k; ++k) {
          exact += static_cast<double>(at_a(i, k)) * static_cast<double>(at_b(k, j));
          loop += at_a(i, k) * at_b(k, j);
        }
        const float start = g.accumulate ? c[at] : bias[static_cast<std::size_t>(j)];
        plain = std::fmax(plain, std::fabs(static_cast<double>(loop) - exact));
        double got = static_cast<double>(out[at]), want = exact + static_cast<double>(start);
        if (!g.accumulate) want = std::tanh(want);
        ours = std::fmax(ours, std::fabs(got - want));
      }
    for (Index i = 0; i < g.m; ++i) {
      const std::size_t pad = static_cast<std::size_t>(i * g.ldc + g.n);
      CHECK(out[pad] == c[pad]);
    }
  }
};

void test_accuracy() {
  // The last one has more rows, columns and depth than are split at a time.
  const Index sizes[][3] = {{96, 96, 64},   {300, 60, 80},  {100, 131, 300},
                            {129, 1060, 70}, {130, 97, 520}, {270, 530, 260}};
  for (const auto& s : sizes)
    for (int i = 0; i < 8; ++i) {
      Product p(s[0], s[1], s[2], (i & 1) != 0, (i & 2) != 0, (i & 4) != 0);
      CHECK(amx_wanted(p.g));
      const char* names[] = {"highest", "high", "medium"};
      const double factor[] = {1.0, 40, 8000};
      for (int precision = 0; precision < (i ? 1 : 3); ++precision) {
        set_matmul_precision(names[precision]);
        double ours, plain;
        p.errors(p.run(), ours, plain);
        // One rounding of C, of the order of 1, comes on top.
        if (!(ours <= factor[precision] * plain + 1.2e-7))
          std::printf("%s %d: error %.3g, plain loop %.3g\n", names[precision], i, ours, plain);
        CHECK(ours <= factor[precision] * plain + 1.2e-7);
      }
      set_matmul_precision("highest");
    }
}

void test_threads() {
  Product p(150, 300, 100, false, true, false);
  const std::vector<float> one = p.run(1);
  for (int threads = 2; threads <= 4; ++threads) {
    const std::vector<float> many = p.run(threads);
    CHECK(std::memcmp(one.data(), many.data(), one.size() * sizeof(float)) == 0);
  }
}

void keep_blocks(Product& p) {
  p.blocks.assign(static_cast<std::size_t>(gemm_blocks_size(p.g.n, p.g.k)), 77);
  gemm_forget_blocks(p.blocks.data());
}

// Weights that are split once serve every precision, with the bits of those that are not.
void test_blocks() {
  const Index sizes[][3] = {{96, 96, 64}, {100, 131, 300}, {64, 1060, 530}, {270, 530, 260}};
  for (const auto& s : sizes) {
    Product p(s[0], s[1], s[2], false, s[0] == 100, false), kept = p;
    CHECK(gemm_wants_blocks(p.g));
    keep_blocks(kept);
    for (const char* precision : {"highest", "high", "medium"}) {
      set_matmul_precision(precision);
      CHECK(p.run() == kept.run());
      CHECK(kept.run(3) == kept.run());
    }
    set_matmul_precision("highest");
    p.at_b(3, 20) = kept.at_b(3, 20) = std::numeric_limits<float>::max();
    keep_blocks(kept);
    CHECK(p.run() == kept.run());
  }
}

void test_not_finite() {
  for (int i = 0; i < 8; ++i) {
    Product p(98, 99, 70, (i & 1) != 0, (i & 2) != 0, true);
    p.g.accumulate = (i & 4) != 0, p.g.act.kind = kLinear;
    for (const float value : {kNaN, kInf, -kInf}) {
      p.at_a(50, 7) = value;
      const std::vector<float> out = p.run();
      bool right = true;
      for (Index r = 0; r < p.g.m; ++r)
        for (Index j = 0; j < p.g.n; ++j) {
          const float got = out[static_cast<std::size_t>(r * p.g.ldc + j)];
          right = right && (r != 50             ? std::isfinite(got)
                            : std::isnan(value) ? std::isnan(got)
                                                : got == value * p.at_b(7, j));
        }
      CHECK(right);
    }
    p.at_a(50, 7) = 0;
    p.at_b(3, 20) = kInf;
    CHECK(p.run()[static_cast<std::size_t>(4 * p.g.ldc + 20)] == kInf * p.at_a(4, 3));
  }
}

// The largest numbers must not round up to infinity, and tiny ones may only vanish.
void test_extremes() {
  Product p(96, 96, 64, false, false, true);
  p.g.accumulate = false;
  std::fill(p.a.begin(), p.a.end(), 0.0f);
  p.at_a(1, 1) = std::numeric_limits<float>::max();
  p.at_a(2, 1) = std::numeric_limits<float>::denorm_min();
  p.at_b(1, 5) = 0.5f;
  std::fill(p.bias.begin(), p.bias.end(), 0.0f);
  const std::vector<float> out = p.run();
  CHECK(std::fabs(out[static_cast<std::size_t>(p.g.ldc + 5)] /
                      (0.5f * std::numeric_limits<float>::max()) -
                  1) < 1e-6f);
  CHECK(std::fabs(out[static_cast<std::size_t>(2 * p.g.ldc + 5)]) < 1.2e-38f);
  CHECK(out[static_cast<std::size_t>(3 * p.g.ldc + 5)] == 0);
}

}  // namespace

int main() {
  test_accuracy();
  test_threads();
  test_blocks();
  test_not_finite();
  test_extremes();
  return report("amx emulation");
}
