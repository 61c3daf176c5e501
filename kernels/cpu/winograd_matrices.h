#pragma once
// The matrices of F(m, 3) in one dimension, computed by the compiler.
//
// y = Aᵀ [(G g) ⊙ (Bᵀ d)] is polynomial multiplication by evaluation and interpolation, transposed.
// To multiply a polynomial x(t) of m coefficients by g(t) of 3, evaluate both at n = m + 2 points,
// multiply point by point, and interpolate the product of degree n - 1:
//     s = L [(E₃ g) ⊙ (E_m x)],   E_k[p] = (1, a_p, …, a_p^(k-1)),   E_k[∞] = (0, …, 0, 1),
//     L: columns are the coefficients of Π_{q≠p} (t - a_q)/(a_p - a_q), and of Π_q (t - a_q) for ∞
//     (q runs over the finite points).
// s is a linear function of x; its transpose, a linear function of a signal d of n values, is the
// filter y_i = Σ_k g_k d_{i+k}. Transposing turns the three factors round:
//     y = E_mᵀ [(E₃ g) ⊙ (Lᵀ d)],  so that  Aᵀ = E_mᵀ,  G = E₃,  Bᵀ = Lᵀ.
// G, kept free of the denominators, does not know m: F(m) for each m uses the first m + 2 points of
// one list, and the first m + 2 rows of one G.
//
// The list starts with ∞ and 0, then pairs ±a. When n is even the points are symmetric: in row ±a
// of Bᵀ the coefficients of even k are equal and those of odd k opposite, so that both rows come
// from one even and one odd sum. The same holds for columns ±a of Aᵀ, for every n.

#include <cstddef>

namespace graft::cpu::GRAFT_ISA {

static constexpr std::size_t winograd_points = 8;
// The first is the place of ∞ and its value is never used.
static constexpr double winograd_point[winograd_points] = {0, 0, 1, -1, 2, -2, 0.5, -0.5};

struct WinogradMatrix {
  double at[winograd_points][winograd_points] = {};
};

// Bᵀ: row p, column k, both below n.
static constexpr WinogradMatrix winograd_input_matrix(std::size_t n) {
  WinogradMatrix matrix;
  for (std::size_t p = 0; p < n; ++p) {
    double polynomial[winograd_points + 1] = {1};
    double denominator = 1;
    std::size_t degree = 0;
    for (std::size_t q = 1; q < n; ++q) {
      if (q == p) continue;
      ++degree;
      for (std::size_t k = degree; k > 0; --k) {
        polynomial[k] = polynomial[k - 1] - winograd_point[q] * polynomial[k];
      }
      polynomial[0] *= -winograd_point[q];
      if (p != 0) denominator *= winograd_point[p] - winograd_point[q];
    }
    for (std::size_t k = 0; k < n; ++k) matrix.at[p][k] = polynomial[k] / denominator;
  }
  return matrix;
}

// E_k: row p, column i < k: G for k = 3, and A for k = m.
static constexpr WinogradMatrix winograd_evaluation_matrix(std::size_t n, std::size_t k) {
  WinogradMatrix matrix;
  matrix.at[0][k - 1] = 1;
  for (std::size_t p = 1; p < n; ++p) {
    double power = 1;
    for (std::size_t i = 0; i < k; ++i) {
      matrix.at[p][i] = power;
      power *= winograd_point[p];
    }
  }
  return matrix;
}

}  // namespace graft::cpu::GRAFT_ISA
