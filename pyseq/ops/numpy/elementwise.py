"""Functions of each element by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import symbolic
from pyseq.ops.placeholders import infers_shapes
from pyseq.ops.promotion import counted, fractional, operation, wide_fractional

if TYPE_CHECKING:
    from pyseq.types import Tensor

_real = operation(fractional)
_wide = operation(wide_fractional)
_same = operation()
_test = operation(result="bool")
_pair = operation(tensors=2)
_real_pair = operation(fractional, tensors=2)
_counted_pair = operation(counted, tensors=2)
_compare = operation(result="bool", tensors=2)


@_same
def abs(x: Tensor) -> Tensor:
    """Return the magnitude of `x`."""
    return np.abs(x)


absolute = abs


@operation(fractional)
def fabs(x: Tensor) -> Tensor:
    """Return the magnitude of `x` as a float."""
    return np.abs(x)


@_same
def negative(x: Tensor) -> Tensor:
    """Return -x."""
    return np.negative(x)


@operation(counted)
def square(x: Tensor) -> Tensor:
    """Return x * x; of booleans int32."""
    return np.square(x)


@_real
def sqrt(x: Tensor) -> Tensor:
    """Return the square root, NaN below 0."""
    return np.sqrt(x)


@_wide
def cbrt(x: Tensor) -> Tensor:
    """Return the cube root."""
    return np.cbrt(x)


@_real
def reciprocal(x: Tensor) -> Tensor:
    """Return 1 / x."""
    return np.reciprocal(x)


@_same
def sign(x: Tensor) -> Tensor:
    """Return -1, 0 or 1 by the sign of `x`; booleans are what they are."""
    return x if not symbolic.is_traced(x) and x.dtype == bool else np.sign(x)


@_test
def signbit(x: Tensor) -> Tensor:
    """True where the sign bit is set, that of -0.0 too."""
    return np.signbit(x)


@_real
def exp(x: Tensor) -> Tensor:
    """Return e to the power `x`."""
    return np.exp(x)


@_real
def exp2(x: Tensor) -> Tensor:
    """Return 2 to the power `x`."""
    return np.exp2(x)


@_real
def expm1(x: Tensor) -> Tensor:
    """Return exp(x) - 1, exact near 0."""
    return np.expm1(x)


@_real
def log(x: Tensor) -> Tensor:
    """Return the natural logarithm."""
    return np.log(x)


@_real
def log10(x: Tensor) -> Tensor:
    """Return the logarithm to base 10."""
    return np.log10(x)


@_real
def log1p(x: Tensor) -> Tensor:
    """Return log(1 + x), exact near 0."""
    return np.log1p(x)


@_real
def log2(x: Tensor) -> Tensor:
    """Return the logarithm to base 2."""
    return np.log2(x)


@_real
def sin(x: Tensor) -> Tensor:
    """Return the sine; `x` in radians."""
    return np.sin(x)


@_real
def cos(x: Tensor) -> Tensor:
    """Return the cosine; `x` in radians."""
    return np.cos(x)


@_real
def tan(x: Tensor) -> Tensor:
    """Return the tangent; `x` in radians."""
    return np.tan(x)


@_real
def arcsin(x: Tensor) -> Tensor:
    """Return the angle in radians whose sine is `x`."""
    return np.arcsin(x)


@_real
def arccos(x: Tensor) -> Tensor:
    """Return the angle in radians whose cosine is `x`."""
    return np.arccos(x)


@_real
def arctan(x: Tensor) -> Tensor:
    """Return the angle in radians whose tangent is `x`."""
    return np.arctan(x)


@_real
def sinh(x: Tensor) -> Tensor:
    """Return the hyperbolic sine."""
    return np.sinh(x)


@_real
def cosh(x: Tensor) -> Tensor:
    """Return the hyperbolic cosine."""
    return np.cosh(x)


@_real
def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


@_real
def arcsinh(x: Tensor) -> Tensor:
    """Return the inverse of sinh."""
    return np.arcsinh(x)


@_real
def arccosh(x: Tensor) -> Tensor:
    """Return the inverse of cosh."""
    return np.arccosh(x)


@_real
def arctanh(x: Tensor) -> Tensor:
    """Return the inverse of tanh."""
    return np.arctanh(x)


@_real
def sinc(x: Tensor) -> Tensor:
    """Return sin(pi x) / (pi x), and 1 at 0."""
    return np.sinc(x)


@_wide
def i0(x: Tensor) -> Tensor:
    """Return the modified Bessel function of the first kind, order 0."""
    return np.i0(x)


@_wide
def deg2rad(x: Tensor) -> Tensor:
    """Return degrees in radians."""
    return np.deg2rad(x)


@_wide
def rad2deg(x: Tensor) -> Tensor:
    """Return radians in degrees."""
    return np.rad2deg(x)


@_real
def ceil(x: Tensor) -> Tensor:
    """Return the smallest whole number at or above `x`."""
    return np.ceil(x)


@_real
def floor(x: Tensor) -> Tensor:
    """Return the largest whole number at or below `x`."""
    return np.floor(x)


@_same
def trunc(x: Tensor) -> Tensor:
    """Return `x` without what is behind the point."""
    return np.trunc(x)


@operation(counted)
def round(x: Tensor, decimals: Any = 0) -> Tensor:
    """Return `x` rounded, halves to the even neighbour."""
    return np.round(x, decimals)


@_same
def real(x: Tensor) -> Tensor:
    """Return the real part."""
    return np.real(x)


@operation(result="own")
def imag(x: Tensor) -> Tensor:
    """Return the imaginary part."""
    return np.imag(x)


@_same
def conjugate(x: Tensor) -> Tensor:
    """Return the complex conjugate."""
    return np.conjugate(x)


conj = conjugate


@_real
def angle(x: Tensor) -> Tensor:
    """Return the angle of complex numbers in radians."""
    return np.angle(x)


@_test
def isfinite(x: Tensor) -> Tensor:
    """True where `x` is neither infinite nor NaN."""
    return np.isfinite(x)


@_test
def isinf(x: Tensor) -> Tensor:
    """True where `x` is infinite."""
    return np.isinf(x)


@_test
def isnan(x: Tensor) -> Tensor:
    """True where `x` is not a number."""
    return np.isnan(x)


@_test
def isneginf(x: Tensor) -> Tensor:
    """True where `x` is negative infinity."""
    return np.equal(x, -np.inf)


@_test
def isposinf(x: Tensor) -> Tensor:
    """True where `x` is positive infinity."""
    return np.equal(x, np.inf)


@_test
def isreal(x: Tensor) -> Tensor:
    """True where `x` has no imaginary part."""
    return np.isreal(x)


@_test
def logical_not(x: Tensor) -> Tensor:
    """True where `x` is 0."""
    return np.logical_not(x)


@_same
def nan_to_num(x: Tensor, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    """Return `x` with numbers for NaN and infinities (the largest and smallest by default)."""
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


@operation(counted)
def clip(x: Tensor, x_min: Any, x_max: Any) -> Tensor:
    """Return `x` between two bounds."""
    return np.clip(x, x_min, x_max)


@_pair
def add(x1: Tensor, x2: Tensor) -> Tensor:
    """Return x1 + x2."""
    return np.add(x1, x2)


@_pair
def subtract(x1: Tensor, x2: Tensor) -> Tensor:
    """Return x1 - x2."""
    return np.subtract(x1, x2)


@_pair
def multiply(x1: Tensor, x2: Tensor) -> Tensor:
    """Return x1 * x2."""
    return np.multiply(x1, x2)


@_real_pair
def divide(x1: Tensor, x2: Tensor) -> Tensor:
    """Return x1 / x2."""
    return np.divide(x1, x2)


true_divide = divide


@_real_pair
def divide_no_nan(x1: Tensor, x2: Tensor) -> Tensor:
    """Return x1 / x2, and 0 where x2 is 0."""
    zero = np.equal(x2, 0)
    return np.where(zero, 0, np.divide(x1, np.where(zero, 1, x2)))


@_counted_pair
def floor_divide(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the largest whole number at or below x1 / x2."""
    return np.floor_divide(x1, x2)


@_counted_pair
def mod(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the remainder of x1 / x2 with the sign of x2."""
    return np.mod(x1, x2)


@_counted_pair
def fmod(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the remainder of x1 / x2 with the sign of x1."""
    return np.fmod(x1, x2)


@_counted_pair
def power(x1: Tensor, x2: Tensor) -> Tensor:
    """Return x1 to the power x2."""
    return np.power(x1, x2)


@_pair
def maximum(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the larger of x1 and x2; NaN where one is."""
    return np.maximum(x1, x2)


@_pair
def minimum(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the smaller of x1 and x2; NaN where one is."""
    return np.minimum(x1, x2)


@_pair
def fmax(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the larger of x1 and x2; the number where one is NaN."""
    return np.fmax(x1, x2)


@_pair
def fmin(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the smaller of x1 and x2; the number where one is NaN."""
    return np.fmin(x1, x2)


@_real_pair
def arctan2(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the angle in radians of the point (x2, x1), between -pi and pi."""
    return np.arctan2(x1, x2)


@_real_pair
def hypot(x1: Tensor, x2: Tensor) -> Tensor:
    """Return sqrt(x1^2 + x2^2)."""
    return np.hypot(x1, x2)


@_real_pair
def logaddexp(x1: Tensor, x2: Tensor) -> Tensor:
    """Return log(exp(x1) + exp(x2)), safe for large arguments."""
    return np.logaddexp(x1, x2)


@_real_pair
def logaddexp2(x1: Tensor, x2: Tensor) -> Tensor:
    """Return log2(2^x1 + 2^x2), safe for large arguments."""
    return np.logaddexp2(x1, x2)


@operation(lambda *given: fractional(*given) if set(given) != {"bool"} else "bool", tensors=2)
def heaviside(x1: Tensor, x2: Tensor) -> Tensor:
    """Return 0 where x1 is below 0, 1 above, and x2 at 0."""
    return np.heaviside(x1, x2)


@_real_pair
def nextafter(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the float next to x1 towards x2."""
    return np.nextafter(x1, x2)


@_counted_pair
def gcd(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the greatest common divisor."""
    return np.gcd(x1, x2)


@_counted_pair
def lcm(x1: Tensor, x2: Tensor) -> Tensor:
    """Return the least common multiple."""
    return np.lcm(x1, x2)


@infers_shapes
def ldexp(x1: Tensor, x2: Tensor) -> Tensor:
    """Return x1 * 2^x2 for integers x2.

    Raises:
        TypeError: x2 does not hold integers.
    """
    if not symbolic.is_traced(x2) and np.asarray(x2).dtype.kind not in "iub":
        raise TypeError(
            f"ldexp: expected integers for x2, got {np.asarray(x2).dtype}; use x1 * 2.0**x2"
        )
    return _scaled(x1, x2)


@_real_pair
def _scaled(x1, x2):
    return x1 * np.exp2(x2)


@operation(fractional, result="own", tensors=2)
def polar(abs_: Any, angle: Any) -> Tensor:
    """Return complex numbers of a magnitude and an angle in radians."""
    return abs_ * (np.cos(angle) + 1j * np.sin(angle)).astype(
        "complex128" if abs_.dtype == np.float64 else "complex64"
    )


@_compare
def equal(x1: Tensor, x2: Tensor) -> Tensor:
    """True where x1 equals x2."""
    return np.equal(x1, x2)


@_compare
def not_equal(x1: Tensor, x2: Tensor) -> Tensor:
    """True where x1 and x2 differ."""
    return np.not_equal(x1, x2)


@_compare
def greater(x1: Tensor, x2: Tensor) -> Tensor:
    """True where x1 is above x2."""
    return np.greater(x1, x2)


@_compare
def greater_equal(x1: Tensor, x2: Tensor) -> Tensor:
    """True where x1 is at or above x2."""
    return np.greater_equal(x1, x2)


@_compare
def less(x1: Tensor, x2: Tensor) -> Tensor:
    """True where x1 is below x2."""
    return np.less(x1, x2)


@_compare
def less_equal(x1: Tensor, x2: Tensor) -> Tensor:
    """True where x1 is at or below x2."""
    return np.less_equal(x1, x2)


@_compare
def logical_and(x1: Tensor, x2: Tensor) -> Tensor:
    """True where neither is 0."""
    return np.logical_and(x1, x2)


@_compare
def logical_or(x1: Tensor, x2: Tensor) -> Tensor:
    """True where one is not 0."""
    return np.logical_or(x1, x2)


@_compare
def logical_xor(x1: Tensor, x2: Tensor) -> Tensor:
    """True where exactly one is not 0."""
    return np.logical_xor(x1, x2)


@_compare
def isclose(
    x1: Tensor, x2: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """True where |x1 - x2| <= atol + rtol |x2|."""
    return np.isclose(x1, x2, rtol, atol, equal_nan)


@operation(result="own", tensors=2)
def allclose(
    x1: Tensor, x2: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Return whether all elements are close as `isclose` says."""
    return np.all(np.isclose(x1, x2, rtol, atol, equal_nan))


__all__ = [
    "abs", "absolute", "add", "allclose", "angle", "arccos", "arccosh", "arcsin", "arcsinh",
    "arctan", "arctan2", "arctanh", "cbrt", "ceil", "clip", "conj", "conjugate", "cos", "cosh",
    "deg2rad", "divide", "divide_no_nan", "equal", "exp", "exp2", "expm1", "fabs", "floor",
    "floor_divide", "fmax", "fmin", "fmod", "gcd", "greater", "greater_equal", "heaviside",
    "hypot", "i0", "imag", "isclose", "isfinite", "isinf", "isnan", "isneginf", "isposinf",
    "isreal", "lcm", "ldexp", "less", "less_equal", "log", "log1p", "log2", "log10", "logaddexp",
    "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum",
    "mod", "multiply", "nan_to_num", "negative", "nextafter", "not_equal", "polar", "power",
    "rad2deg", "real", "reciprocal", "round", "sign", "signbit", "sin", "sinc", "sinh", "sqrt",
    "square", "subtract", "tan", "tanh", "true_divide", "trunc",
]  # fmt: skip
