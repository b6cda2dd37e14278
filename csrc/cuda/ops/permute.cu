#include "cuda/divide.h"

namespace pyseq::cuda {
namespace {

constexpr int kTile = 32;
// A column of a tile would lie in one bank of shared memory otherwise.
constexpr int kTileRow = kTile + 1;

// y (..., rows, ..., cols) from x, where rows are contiguous in x and columns in y.
struct Transpose {
  bool tiled;
  Index rows, cols, row_in_y, col_in_x;
  Index row_tiles, col_tiles, others;
  Strided x, y;  // where a tile's matrix starts, by the coordinates of the other dimensions
};

struct Walk {
  Index size;
  Strided from;  // element of y to that of x
  Transpose transpose;
};

struct Config {
  Walk forward, backward;
};

// `size` and `stride` (into x) of the dimensions of y.
Transpose make_transpose(int rank, const Index* size, const Index* stride, Index sample) {
  Transpose t{};
  int across = -1;
  for (int k = 0; k < rank; ++k)
    if (stride[k] == 1) across = k;
  const int last = rank - 1;
  // Short runs waste less by plain loads than tiles that are mostly empty.
  if (across < 0 || across == last || size[across] < 8 || size[last] < 8) return t;
  t.tiled = true;
  t.rows = size[across], t.cols = size[last], t.col_in_x = stride[last];
  t.row_tiles = (t.rows + kTile - 1) / kTile;
  t.col_tiles = (t.cols + kTile - 1) / kTile;
  Index other_size[kMaxRank], in_x[kMaxRank], in_y[kMaxRank], step = 1;
  int others = rank - 2;
  for (int k = last; k >= 0; --k) {
    if (k == across) t.row_in_y = step;
    else if (k != last) other_size[--others] = size[k], in_x[others] = stride[k], in_y[others] = step;
    step *= size[k];
  }
  others = rank - 2;
  t.others = 1;
  for (int k = 0; k < others; ++k) t.others *= other_size[k];
  t.x = strided(others, other_size, in_x, sample);
  t.y = strided(others, other_size, in_y, sample);
  return t;
}

Walk make_walk(const Shape& x, const Index* dims) {
  Index in_x[kMaxRank], size[kMaxRank], stride[kMaxRank], step = 1;
  for (int k = x.rank; k-- > 0;) {
    in_x[k] = step;
    step *= x[k];
  }
  for (int k = 0; k < x.rank; ++k) {
    size[k] = x[static_cast<int>(dims[k])];
    stride[k] = in_x[dims[k]];
  }
  Walk w{};
  w.size = step;
  w.from = strided(x.rank, size, stride, step);
  for (int k = 0; k < w.from.rank; ++k) size[k] = w.from.size[k].d;
  w.transpose = make_transpose(w.from.rank, size, w.from.stride, step);
  return w;
}

void plan(Plan& p) {
  Config& c = p.config<Config>();
  const Shape x = p.input(0);
  Index dims[kMaxRank], inverse[kMaxRank] = {};
  if (p.integers("dims", dims, kMaxRank) != x.rank) p.fail("expected %d dims", x.rank);
  Shape y;
  for (int i = 0; i < x.rank; ++i) {
    if (dims[i] < 0 || dims[i] >= x.rank) p.fail("expected dims below %d", x.rank);
    y.push(x[static_cast<int>(dims[i])]);
    inverse[dims[i]] = i;
  }
  c.forward = make_walk(x, dims);
  c.backward = make_walk(y, inverse);
  p.output(y);
  // What merges into one run is not permuted at all.
  const Strided& from = c.forward.from;
  if (from.rank == 0 || (from.rank == 1 && from.stride[0] == 1)) p.alias();
}

void run(const Run& r, const Walk& w, const float* x, float* y) {
  if (!w.transpose.tiled) return gather(r.stream, w.from, r.n * w.size, x, y);
  const Transpose t = w.transpose;
  const Divider by_cols(t.col_tiles), by_rows(t.row_tiles);
  for_blocks(r.stream, r.n * t.others * t.row_tiles * t.col_tiles, kThreads, kTile * kTileRow,
             [=] __device__(Index b, Block block) {
               const Index rest = by_cols.quotient(b), other = by_rows.quotient(rest);
               const Index col = (b - rest * t.col_tiles) * kTile;
               const Index row = (rest - other * t.row_tiles) * kTile;
               const int lane = block.thread % kTile, line = block.thread / kTile;
               const float* from = x + t.x.at(other);
               float* to = y + t.y.at(other);
               for (int c = line; c < kTile; c += kThreads / kTile)
                 if (col + c < t.cols && row + lane < t.rows)
                   block.shared[c * kTileRow + lane] = from[(col + c) * t.col_in_x + row + lane];
               block.sync();
               for (int k = line; k < kTile; k += kThreads / kTile)
                 if (row + k < t.rows && col + lane < t.cols)
                   to[(row + k) * t.row_in_y + col + lane] = block.shared[lane * kTileRow + k];
             });
}

void forward(const Run& r) noexcept { run(r, r.config<Config>().forward, r.x(), r.y()); }
void backward(const Run& r) noexcept {
  if (r.dx()) run(r, r.config<Config>().backward, r.dy(), r.dx());
}

}  // namespace

extern const OpDef op_permute;
const OpDef op_permute{"permute", plan, forward, backward};

}  // namespace pyseq::cuda
