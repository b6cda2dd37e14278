#pragma once
#include "kernels/conv.h"

namespace pyseq::PYSEQ_NS {

// Convolutions of 3 x 3 taps, stride 1, as products of transformed tiles (Winograd, "Arithmetic
// Complexity of Computations", 1980; Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2016). Tiles of 2 x 2 outputs take 2.25 times fewer multiplications than the sum
// itself and round no worse; tiles of 4 x 4 take 4 times fewer, round about twice as badly, and
// are used when the matmul precision is below "highest". An infinite or NaN input makes all
// outputs of the tiles that read it NaN.
enum class ConvPass { forward, data_gradient, weight_gradient };

// By shape and precision; n only matters for small images.
bool winograd_wanted(const ConvShape& s, Index n, ConvPass pass);

// Zero for shapes that never come here.
ConvScratch winograd_scratch(const ConvShape& s, ConvPass pass);

// Transformed weights kept from call to call, of forward or data gradient.
// Outputs along a side of the tiles that pay at the precision of now, 0 for none.
int winograd_tile(const ConvShape& s, ConvPass pass);
// True if every number of rows comes here, at any precision.
bool winograd_always(const ConvShape& s, ConvPass pass);
// As winograd_wanted, where weights are packed for `tile`.
bool winograd_packed_wanted(const ConvShape& s, Index n, ConvPass pass, int tile);
Index winograd_packed_size(const ConvShape& s, ConvPass pass, int tile);
void winograd_pack(Pool* pool, const ConvShape& s, ConvPass pass, int tile, const real* w,
                   const real* scale, real* packed);

// As conv_forward, conv_data_gradient and conv_weight_gradient.
void winograd_forward(const ConvShape& s, Index n, const ConvSource& x, const real* w,
                      const ConvTarget& y, const ConvWork& work, int tile = 0,
                      const real* packed = nullptr);
void winograd_data_gradient(const ConvShape& s, Index n, const ConvSource& y, const real* w,
                            const ConvTarget& x, const ConvWork& work, int tile = 0,
                            const real* packed = nullptr);
void winograd_weight_gradient(const ConvShape& s, Index n, const ConvSource& x,
                              const ConvSource& y, real* dw, real* db, const ConvWork& work);

}  // namespace pyseq::PYSEQ_NS
