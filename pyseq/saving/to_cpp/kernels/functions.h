// Functions of one and of two numbers by name, beyond activations.
inline float floor_mod(float a, float b) {
  const float r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
inline float floor_divide(float a, float b) {
  // From the remainder, so that the quotient's rounding cannot miss a whole number.
  return b == 0 ? a / b : std::nearbyint((a - floor_mod(a, b)) / b);
}
// Giles, "Approximating the erfinv function", GPU Computing Gems, 2010.
inline float erfinv(float x) {
  constexpr float c[] = {1.50140941f,     0.246640727f,   -0.00417768164f,
                         -0.00125372503f, 0.00021858087f, -4.39150654e-06f,
                         -3.5233877e-06f, 3.43273939e-07f, 2.81022636e-08f};
  constexpr float t[] = {2.83297682f,     1.00167406f,    0.00943887047f,
                         -0.0076224613f,  0.00573950773f, -0.00367342844f,
                         0.00134934322f,  0.000100950558f, -0.000200214257f};
  if (std::fabs(x) == 1) return x * kInf;
  const float w = -std::log((1 - x) * (1 + x));
  return (w < 5 ? polynomial(w - 2.5f, c) : polynomial(std::sqrt(w) - 3, t)) * x;
}
